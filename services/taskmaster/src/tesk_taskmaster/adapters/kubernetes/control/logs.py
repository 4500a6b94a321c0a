"""Reads the log of an executor's pod: follows it, and reads it at the end.

Absence is never shown as emptiness: where the launcher's counts tell that the log
lacks something, it is read again for a while, and then the tails say so.
"""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from tesk_kubernetes.api import (
    ApiUnavailableError,
    ForbiddenError,
    KubernetesApi,
    KubernetesError,
    RefusedError,
    Stream,
)
from tesk_taskmaster.adapters.kubernetes.control.kubelet_errors import (
    cut_kubelet_error,
)
from tesk_taskmaster.adapters.kubernetes.control.log_pieces import LogPieces
from tesk_taskmaster.adapters.kubernetes.control.log_read import LogRead
from tesk_taskmaster.adapters.kubernetes.control.marked_streams import MarkedStreams
from tesk_taskmaster.adapters.kubernetes.control.missing_rights import MissingRight
from tesk_taskmaster.adapters.stream_tails import StreamTails
from tesk_taskmaster.domain.termination import LoggedBytes
from tesk_taskmaster.ports import Clock, Tails

# At 16 bytes a line this is 64 KiB; then, all there is.
_FIRST_LINES = 4096
_ALL = -1
_REOPEN_SECONDS = 1.0  # seconds before a cut stream is opened again
_FLUSH_TIMEOUT = timedelta(seconds=15)  # for the container runtime to write all
_FIRST_REREAD_SECONDS = 0.1  # grows: a log may have 10 MiB
_MOST_REREAD_SECONDS = 2.0
_REREAD_GROWTH = 2

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSource:
    """The container whose log is read, and its pod.

    Attributes:
        has_pieces: Its launcher writes long lines in pieces; one of the release before
            does not.
    """

    namespace: str
    pod: str
    container: str
    has_pieces: bool = True

    def reader(self, tails: StreamTails) -> LogPieces | MarkedStreams:
        """Return what adds the streams of the log to ``tails``."""
        return LogPieces(tails) if self.has_pieces else MarkedStreams(tails)


class PodLog:
    """The log of one executor's pod; thread-safe.

    Output that was followed is kept when the pod is deleted with its log.
    """

    def __init__(
        self,
        api: KubernetesApi,
        source: LogSource,
        *,
        log_fields: Mapping[str, object],
        clock: Clock,
        refusal_timeout: timedelta,
    ) -> None:
        """Read the log of ``source``; nothing is opened yet.

        Args:
            api: Of the cluster.
            source: Whose log.
            log_fields: What names it in a line of a log.
            clock: For limits.
            refusal_timeout: See ``MissingRight``.
        """
        self._log_fields = {**log_fields, "pod": source.pod}
        self._api = api
        self._source = source
        self._clock = clock
        self._refusal_timeout = refusal_timeout
        self._right = self._new_right()  # of who reads it all
        self._guard = threading.Lock()
        self._kept = StreamTails()
        self._follower: threading.Thread | None = None
        self._stream: Stream[bytes] | None = None
        self._opened = threading.Event()
        self._closed = threading.Event()
        self._followed: LogRead | None = None

    def follow(self, within: timedelta = timedelta(0)) -> None:
        """Begin to follow the log, unless that has begun.

        Args:
            within: How long to wait until the log is open.
        """
        with self._guard:
            if self._follower is None and not self._closed.is_set():
                self._follower = threading.Thread(
                    target=self._follow, name=f"log-{self._source.pod}", daemon=True
                )
                self._follower.start()
        self._opened.wait(within.total_seconds())

    def current(self) -> Tails:
        """Return the tails of what was followed until now."""
        with self._guard:
            return self._kept.tails()

    def final(self, within: timedelta, logged: LoggedBytes | None = None) -> Tails:
        """Return the tails of an executor that has ended.

        Args:
            within: For the follower to reach the end.
            logged: What the launcher gave to the log; None if that is not known.

        Raises:
            ApiUnavailableError: Read it again later.
        """
        if logged is not None and not logged.total:
            return Tails(b"", b"")  # a request for nothing is one of four of a task
        followed = self._wait_followed(within)
        if followed is not None and followed.has_all(logged):
            return followed.tails
        try:
            read = self._read_flushed(logged)
        except ApiUnavailableError:
            self._right.restart()
            raise
        except RefusedError as error:
            if isinstance(error, ForbiddenError) and not self._right.is_final():
                raise ApiUnavailableError(str(error)) from error
            # The pod is gone, and its log with it.
            return self._incomplete(str(error))
        if followed is not None and followed.sizes.total > read.sizes.total:
            read = followed
        missing = read.describe_missing(logged)
        if missing:
            extra = {**self._log_fields, "cause": missing}
            _logger.warning("log is incomplete", extra=extra)
        tails = read.tails if read.sizes.total else self.current()
        return replace(tails, unread=missing)

    def close(self) -> None:
        """Stop following."""
        self._closed.set()
        with self._guard:
            stream = self._stream
        if stream is not None:
            stream.close()

    def _incomplete(self, cause: str) -> Tails:
        """Return the tails of what was followed, which may be incomplete."""
        extra = {**self._log_fields, "cause": cause}
        _logger.info("log not read", extra=extra)
        return replace(self.current(), unread=cause)

    def _wait_followed(self, within: timedelta) -> LogRead | None:
        """Return what was followed to the end; None if it was not."""
        if self._follower is None:
            return None
        self._follower.join(within.total_seconds())
        with self._guard:
            return self._followed

    def _read_flushed(self, logged: LoggedBytes | None) -> LogRead:
        """Read the log until it has all, but no longer than _FLUSH_TIMEOUT."""
        read = self._read()
        deadline = self._clock.monotonic() + _FLUSH_TIMEOUT.total_seconds()
        pause = _FIRST_REREAD_SECONDS
        while read.may_grow(logged) and self._clock.monotonic() < deadline:
            if self._closed.wait(pause):
                break
            pause = min(pause * _REREAD_GROWTH, _MOST_REREAD_SECONDS)
            try:
                read = self._read()
            except ForbiddenError:
                raise
            except RefusedError:
                break  # its pod was deleted meanwhile
        return read

    def _read(self) -> LogRead:
        """Read the log once.

        Raises:
            RefusedError: There is none.
        """
        for lines in (_FIRST_LINES, _ALL):
            kept = StreamTails()
            streams = self._source.reader(kept)
            with self._api.logs(
                self._source.namespace,
                self._source.pod,
                container=self._source.container,
                follow=False,
                tail_lines=lines,
            ) as stream:
                for piece in stream:
                    streams.feed(piece)
            streams.finish()
            if streams.lines < _FIRST_LINES or kept.are_full:
                break
        is_from_start = lines == _ALL or streams.lines < _FIRST_LINES
        read = self._result(kept, is_from_start=is_from_start)
        if read.error and not read.sizes.total:
            raise RefusedError(read.error)
        return read

    def _follow(self) -> None:
        """Follow to the end; reopen a stream that is cut."""
        right = self._new_right()
        try:
            while not self._closed.is_set():
                try:
                    self._follow_once()
                except ApiUnavailableError:
                    right.restart()
                except ForbiddenError:
                    if right.is_final():
                        raise
                else:
                    return
                self._closed.wait(_REOPEN_SECONDS)
        except KubernetesError as error:
            # The pod is deleted; nothing more can be read.
            extra = {**self._log_fields, "cause": str(error)}
            _logger.info("log not followed", extra=extra)
        finally:
            self._opened.set()

    def _follow_once(self) -> None:
        """Follow one stream to its end."""
        stream = self._api.logs(
            self._source.namespace,
            self._source.pod,
            container=self._source.container,
            follow=True,
            tail_lines=_FIRST_LINES,
        )
        with stream:
            with self._guard:
                self._stream = stream
            self._opened.set()
            kept = StreamTails()
            streams = self._source.reader(kept)
            for piece in stream:
                with self._guard:
                    streams.feed(piece)
                    self._kept = kept
        with self._guard:
            self._stream = None
            streams.finish()
            if not self._closed.is_set():
                # With more lines it may have begun too late for one of the streams.
                is_from_start = streams.lines < _FIRST_LINES
                self._followed = self._result(kept, is_from_start=is_from_start)

    def _new_right(self) -> MissingRight:
        return MissingRight(self._clock, self._refusal_timeout)

    def _result(self, kept: StreamTails, *, is_from_start: bool) -> LogRead:
        error = cut_kubelet_error(kept)
        return LogRead(
            tails=kept.tails(),
            sizes=kept.sizes,
            is_from_start=is_from_start,
            is_exact=self._source.has_pieces,
            error=error,
        )
