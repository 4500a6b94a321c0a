r"""Reads both streams of an executor from the one log of its pod.

The launcher starts each line of stderr with a mark, by which the log is split. A stdout without a final newline, or a line longer than what the
container runtime keeps as one (16 KiB), can put the mark in the middle of a
line, so it is searched anywhere.

Container runtimes take ``\\r\\n`` for the end of a line and keep ``\\n``, so the
launcher puts another mark in between.
"""

import logging
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta

from tesk_kubernetes.api import (
    ApiUnavailableError,
    KubernetesApi,
    KubernetesError,
    RefusedError,
    Stream,
)
from tesk_taskmaster.adapters.kubernetes.manifests.executor_job import RETURN_MARK
from tesk_taskmaster.adapters.stream_tails import StreamTails
from tesk_taskmaster.ports import Tails

_MARKED_RETURN = b"\r" + RETURN_MARK.encode() + b"\n"

# At 16 bytes a line this is 64 KiB; then, all there is.
_FIRST_LINES = 4096
_ALL = -1
_REOPEN_SECONDS = 1.0  # seconds before a cut stream is opened again
# A kubelet that finds no log returns an error message as log, with status 200.
_KUBELET_ERROR = re.compile(
    rb"unable to retrieve container logs for \w+://\w+\s*|"
    rb"failed to (try resolving symlinks in path|open log file) "
    rb'"/[^"\n]+/[^"\n/]+/\d+\.log[^\n]*\s*'
)

_logger = logging.getLogger(__name__)


class _ReturnMarks:
    """Removes the marks after carriage returns from one stream."""

    def __init__(self) -> None:
        self._held = b""

    def remove_marks(self, data: bytes) -> bytes:
        """Add a piece, and return all that cannot be the beginning of a mark."""
        data = (self._held + data).replace(_MARKED_RETURN, b"\r\n")
        last = data.rfind(b"\r", -len(_MARKED_RETURN) + 1)
        is_open = last >= 0 and _MARKED_RETURN.startswith(data[last:])
        end = last if is_open else len(data)
        self._held = data[end:]
        return data[:end]

    def rest(self) -> bytes:
        """Return the rest at the end."""
        return self._held


class MarkedStreams:
    """Splits a marked log, in pieces of any size."""

    def __init__(self, mark: bytes, tails: StreamTails) -> None:
        """Add the streams to ``tails``; ``mark`` begins a line of stderr."""
        self._mark = mark
        self._tails = tails
        self._held = b""  # the beginning of what may be a mark
        self._is_stderr = False
        self._returns = {False: _ReturnMarks(), True: _ReturnMarks()}
        self.lines = 0

    def feed(self, data: bytes) -> None:
        """Add a piece."""
        self.lines += data.count(b"\n")
        data = self._held + data
        self._held = b""
        while data:
            data = self._in_stderr(data) if self._is_stderr else self._in_stdout(data)

    def finish(self) -> None:
        """Add the rest at the end of the log."""
        self._put(self._held)
        self._held = b""
        for is_stderr, returns in self._returns.items():
            self._tails.add(is_stderr=is_stderr, data=returns.rest())

    def _in_stderr(self, data: bytes) -> bytes:
        """Consume up to the end of the line; a mark within it begins a new line."""
        line, newline, rest = data.partition(b"\n")
        before, mark, after = line.partition(self._mark)
        if mark:
            self._put(before)
            return after + newline + rest
        if newline:
            self._put(line + newline)
            self._is_stderr = False
            return rest
        self._put_except_mark(line)
        return b""

    def _in_stdout(self, data: bytes) -> bytes:
        before, mark, rest = data.partition(self._mark)
        if mark:
            self._put(before)
            self._is_stderr = True
            return rest
        self._put_except_mark(before)
        return b""

    def _put_except_mark(self, data: bytes) -> None:
        """Add all but an end that may be the beginning of a mark."""
        for length in range(min(len(self._mark) - 1, len(data)), 0, -1):
            if self._mark.startswith(data[-length:]):
                self._put(data[:-length])
                self._held = data[-length:]
                return
        self._put(data)

    def _put(self, data: bytes) -> None:
        if data:
            data = self._returns[self._is_stderr].remove_marks(data)
            self._tails.add(is_stderr=self._is_stderr, data=data)


def split_log(pieces: Iterable[bytes], mark: bytes) -> Tails:
    """Return the tails of a whole marked log."""
    tails = StreamTails()
    streams = MarkedStreams(mark, tails)
    for piece in pieces:
        streams.feed(piece)
    streams.finish()
    return tails.tails()


class PodLog:
    """The log of one executor's pod; thread-safe.

    Output that was followed is kept when the pod is deleted with its log.
    """

    def __init__(
        self,
        api: KubernetesApi,
        *,
        namespace: str,
        pod: str,
        container: str,
        mark: bytes,
        log_fields: Mapping[str, object],
    ) -> None:
        """Read the log of a container of ``pod``; nothing is opened yet."""
        self._log_fields = {**log_fields, "pod": pod}
        self._api = api
        self._namespace = namespace
        self._pod = pod
        self._container = container
        self._mark = mark
        self._guard = threading.Lock()
        self._kept = StreamTails()
        self._follower: threading.Thread | None = None
        self._stream: Stream[bytes] | None = None
        self._opened = threading.Event()
        self._closed = threading.Event()
        self._is_whole = False

    def follow(self, within: timedelta = timedelta(0)) -> None:
        """Begin to follow the log, unless that has begun.

        Args:
            within: How long to wait until the log is open.
        """
        with self._guard:
            if self._follower is None and not self._closed.is_set():
                self._follower = threading.Thread(
                    target=self._follow, name=f"log-{self._pod}", daemon=True
                )
                self._follower.start()
        self._opened.wait(within.total_seconds())

    def current(self) -> Tails:
        """Return the tails of what was followed until now."""
        with self._guard:
            return self._kept.tails()

    def final(self, within: timedelta) -> Tails:
        """Return the tails of an executor that has ended.

        Args:
            within: For the follower to reach the end.

        Raises:
            ApiUnavailableError: Read it again later.
        """
        follower = self._follower
        if follower is not None:
            follower.join(within.total_seconds())
            with self._guard:
                followed = self._kept.tails()
                if self._is_whole and not _is_kubelet_error(followed):
                    return followed
        try:
            read = self._read()
        except RefusedError as error:
            # The pod is gone, and its log with it.
            return self._incomplete(str(error))
        if _is_kubelet_error(read):
            return self._incomplete(read.stdout.decode(errors="replace").strip())
        return read if read.stdout or read.stderr else self.current()

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
        followed = self.current()
        if _is_kubelet_error(followed):
            followed = Tails(b"", b"")
        return replace(followed, unread=cause)

    def _read(self) -> Tails:
        for lines in (_FIRST_LINES, _ALL):
            kept = StreamTails()
            streams = MarkedStreams(self._mark, kept)
            with self._api.logs(
                self._namespace,
                self._pod,
                container=self._container,
                follow=False,
                tail_lines=lines,
            ) as stream:
                for piece in stream:
                    streams.feed(piece)
            streams.finish()
            if streams.lines < _FIRST_LINES or kept.are_full:
                break
        return kept.tails()

    def _follow(self) -> None:
        """Follow to the end; reopen a stream that is cut."""
        try:
            while not self._closed.is_set():
                try:
                    self._follow_once()
                except ApiUnavailableError:
                    self._closed.wait(_REOPEN_SECONDS)
                else:
                    return
        except KubernetesError as error:
            # The pod is deleted; nothing more can be read.
            extra = {**self._log_fields, "cause": str(error)}
            _logger.info("log not followed", extra=extra)
        finally:
            self._opened.set()

    def _follow_once(self) -> None:
        """Follow one stream to its end."""
        stream = self._api.logs(
            self._namespace,
            self._pod,
            container=self._container,
            follow=True,
            tail_lines=_FIRST_LINES,
        )
        with stream:
            with self._guard:
                self._stream = stream
            self._opened.set()
            kept = StreamTails()
            streams = MarkedStreams(self._mark, kept)
            for piece in stream:
                with self._guard:
                    streams.feed(piece)
                    self._kept = kept
        with self._guard:
            self._stream = None
            streams.finish()
            # Where it began may have been too late for one of the streams.
            self._is_whole = not self._closed.is_set() and (
                streams.lines < _FIRST_LINES or kept.are_full
            )


def _is_kubelet_error(tails: Tails) -> bool:
    return not tails.stderr and _KUBELET_ERROR.fullmatch(tails.stdout) is not None
