"""Aborts uploads of large files that failed.

A service keeps what it got of them, and bills it, until it is told. One that is away
when an upload fails is told when the next one begins.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from tesk_filer.ports import StorageError
from tesk_filer.usecases.retry import Retry

_TRIES = 4
_BACKOFF = timedelta(seconds=0.5)
_MAX_BACKOFF = timedelta(seconds=4)

Abort = Callable[[], object]
"""Ends one upload without an object; succeeds if it has ended so already."""


def abort_upload(abort: Abort) -> None:
    """Abort an upload, tried several times.

    Raises:
        StorageError: It stays.
    """
    Retry(
        tries=_TRIES,
        backoff=_BACKOFF,
        longest=_MAX_BACKOFF,
        # What stops a transfer must not stop what it leaves behind from being removed.
        halt=threading.Event(),
    )(abort)


@dataclass(slots=True)
class UploadAborts:
    """Aborts uploads, and remembers those that could not be aborted; thread-safe."""

    _left: dict[str, list[Abort]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def abort(self, bucket: str, abort: Abort) -> None:
        """Abort an upload to ``bucket``, now or by ``abort_left``.

        One that must not be aborted is left to what removes incomplete uploads there.
        """
        try:
            abort_upload(abort)
        except StorageError as error:
            if error.transient:
                self._keep(bucket, [abort])

    def abort_left(self, bucket: str) -> None:
        """Abort what is left in ``bucket``, unless its service is still away."""
        with self._lock:
            left = self._left.pop(bucket, [])
        for number, abort in enumerate(left):
            try:
                abort()
            except StorageError as error:
                if error.transient:
                    self._keep(bucket, left[number:])
                    return

    def _keep(self, bucket: str, aborts: Sequence[Abort]) -> None:
        with self._lock:
            self._left.setdefault(bucket, []).extend(aborts)
