"""Follows a file, and lets a new content be in force without a restart.

The content is compared, not a time or an inode, so that an editor, a renamed file
and the mount of a ConfigMap (whose files are symbolic links that are exchanged) are all
the same. A content that is refused changes nothing: the last good one stays in force,
and the log says all that is wrong, once.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge

from tesk_runtime.document_loading import (
    MAX_BYTES,
    InvalidDocumentError,
    document_text,
)

_logger = logging.getLogger(__name__)
_EVERY = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedName:
    """What a followed file is called.

    Attributes:
        setting: That names the file: ``quota.file``.
        subject: For the log: ``quota``.
        metric: Beginning of its metrics: ``tesk_scheduler_quota``.
    """

    setting: str
    subject: str
    metric: str


class FollowedFile:
    """Gives each new content of a file to a function."""

    def __init__(
        self,
        path: Path,
        take: Callable[[str], None],
        *,
        name: FollowedName,
        registry: CollectorRegistry,
    ) -> None:
        """Give the content to ``take``; ``start`` follows the file.

        Args:
            path: Of the file.
            take: Puts a content in force, or raises InvalidDocumentError.
            name: What it is called.
            registry: Of the metrics about it.

        Raises:
            ValueError: The file cannot be read, or is refused.
        """
        self._path = path
        self._take = take
        self._subject = name.subject
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=name.subject, daemon=True
        )
        try:
            data = self._read()
            take(document_text(data))
        except OSError as error:
            raise ValueError(f"{name.setting}: {path}: {error.strerror}") from error
        except InvalidDocumentError as error:
            listed = "".join(f"\n- {each}" for each in error.problems)
            raise ValueError(f"{name.setting}: {path}:{listed}") from error
        self._seen = data
        self._valid = Gauge(
            f"{name.metric}_valid",
            f"Whether the file of the {name.subject} is the one in force: 0 if it was"
            " refused.",
            registry=registry,
        )
        self._reloads = Counter(
            f"{name.metric}_reloads",
            f"Changes of the file of the {name.subject}.",
            ["result"],
            registry=registry,
        )
        for result in ("accepted", "refused"):
            self._reloads.labels(result)
        self._valid.set(1)

    def start(self) -> None:
        """Follow the file, on a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """Stop following."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def check(self) -> None:
        """Read the file; put it in force if it has changed and is not refused."""
        try:
            data = self._read()
        except OSError as error:
            problem = f"cannot be read: {error.strerror}"
            self._refuse(problem, seen=f"\0{error}".encode())
            return
        if data == self._seen:
            return
        try:
            self._take(document_text(data))
        except InvalidDocumentError as error:
            self._refuse(*map(str, error.problems), seen=data)
            return
        self._seen = data
        self._valid.set(1)
        self._reloads.labels("accepted").inc()

    def _refuse(self, *problems: str, seen: bytes) -> None:
        if seen == self._seen:
            return
        self._seen = seen
        self._valid.set(0)
        self._reloads.labels("refused").inc()
        fields = {"file": str(self._path), "problems": list(problems)}
        message = "%s refused, the one before stays in force"
        _logger.error(message, self._subject, extra=fields)

    def _read(self) -> bytes:
        with self._path.open("rb") as file:
            return file.read(MAX_BYTES + 1)

    def _run(self) -> None:
        while not self._stopped.wait(_EVERY):
            try:
                self.check()
            except Exception:
                _logger.exception("%s not looked at", self._subject)
