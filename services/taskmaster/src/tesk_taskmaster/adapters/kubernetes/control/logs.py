r"""What executors print, out of the one log in which a pod keeps both streams.

The launcher starts each line of stderr with a mark; here it is taken apart
again. A stdout without a final newline, or a line longer than what the
container runtime keeps as one (16 KiB), can put the mark in the middle of a
line, so it is looked for anywhere.

Container runtimes take ``\\r\\n`` for the end of a line and keep ``\\n``, so the
launcher puts another mark in between.
"""

import logging
import re
import threading
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from tesk_kubernetes.api import (
    ApiUnavailableError,
    KubernetesApi,
    KubernetesError,
    RefusedError,
    Stream,
)
from tesk_kubernetes.templates import MAIN
from tesk_taskmaster.adapters.kubernetes.manifests.executor_job import RETURN_MARK
from tesk_taskmaster.adapters.stream_tails import StreamTails
from tesk_taskmaster.ports import Tails

_MARKED_RETURN = b"\r" + RETURN_MARK.encode() + b"\n"

# At 16 bytes a line this is 64 KiB; then, all there is.
_FIRST_LINES = 4096
_ALL = -1
_PAUSE = 1.0  # seconds before a cut stream is opened again
# A kubelet that finds no log says so in place of the log, with status 200.
_COMPLAINT = re.compile(
    rb"unable to retrieve container logs for \w+://\w+\s*|"
    rb"failed to (try resolving symlinks in path|open log file) "
    rb'"/[^"\n]+/main/\d+\.log[^\n]*\s*'
)

_logger = logging.getLogger(__name__)


class _Returns:
    """Takes the marks behind carriage returns out of one stream."""

    def __init__(self) -> None:
        self._held = b""

    def without_marks(self, data: bytes) -> bytes:
        """Take a piece, and give all that cannot be the beginning of a mark."""
        data = (self._held + data).replace(_MARKED_RETURN, b"\r\n")
        last = data.rfind(b"\r", -len(_MARKED_RETURN) + 1)
        is_open = last >= 0 and _MARKED_RETURN.startswith(data[last:])
        end = last if is_open else len(data)
        self._held = data[end:]
        return data[:end]

    def rest(self) -> bytes:
        """Give what was held back."""
        return self._held


class MarkedStreams:
    """Takes a marked log apart as it comes, in pieces of any size."""

    def __init__(self, mark: bytes, tails: StreamTails) -> None:
        """Put into ``tails`` what is fed; ``mark`` begins stderr."""
        self._mark = mark
        self._tails = tails
        self._held = b""  # the beginning of what may be a mark
        self._is_stderr = False
        self._returns = {False: _Returns(), True: _Returns()}
        self.lines = 0

    def feed(self, data: bytes) -> None:
        """Take a piece."""
        self.lines += data.count(b"\n")
        data = self._held + data
        self._held = b""
        while data:
            data = self._in_stderr(data) if self._is_stderr else self._in_stdout(data)

    def finish(self) -> None:
        """Take what was held back as what it turned out to be."""
        self._put(self._held)
        self._held = b""
        for is_stderr, returns in self._returns.items():
            self._tails.add(is_stderr=is_stderr, data=returns.rest())

    def _in_stderr(self, data: bytes) -> bytes:
        """Take up to the end of the line; a mark within it is a new line's."""
        line, newline, rest = data.partition(b"\n")
        before, mark, after = line.partition(self._mark)
        if mark:
            self._put(before)
            return after + newline + rest
        if newline:
            self._put(line + newline)
            self._is_stderr = False
            return rest
        self._put_but_mark(line)
        return b""

    def _in_stdout(self, data: bytes) -> bytes:
        before, mark, rest = data.partition(self._mark)
        if mark:
            self._put(before)
            self._is_stderr = True
            return rest
        self._put_but_mark(before)
        return b""

    def _put_but_mark(self, data: bytes) -> None:
        """Put all but an end that may be the beginning of a mark."""
        for length in range(min(len(self._mark) - 1, len(data)), 0, -1):
            if self._mark.startswith(data[-length:]):
                self._put(data[:-length])
                self._held = data[-length:]
                return
        self._put(data)

    def _put(self, data: bytes) -> None:
        if data:
            data = self._returns[self._is_stderr].without_marks(data)
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

    What was followed is kept when the pod, and with it its log, is deleted.
    """

    def __init__(
        self, api: KubernetesApi, *, namespace: str, pod: str, mark: bytes
    ) -> None:
        """Read the log of ``pod``; nothing is opened yet."""
        self._api = api
        self._namespace = namespace
        self._pod = pod
        self._mark = mark
        self._guard = threading.Lock()
        self._kept = StreamTails()
        self._follower: threading.Thread | None = None
        self._stream: Stream[bytes] | None = None
        self._opened = threading.Event()
        self._closed = threading.Event()
        self._is_whole = False

    def follow(self, within: timedelta = timedelta(0)) -> None:
        """Begin to keep what is printed, if that has not begun.

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

    def so_far(self) -> Tails:
        """Return what was followed until now."""
        with self._guard:
            return self._kept.tails()

    def final(self, within: timedelta) -> Tails:
        """Return the tails of an executor that has ended.

        Args:
            within: How long a follower may still take for the rest.

        Raises:
            ApiUnavailableError: Read it again later.
        """
        follower = self._follower
        if follower is not None:
            follower.join(within.total_seconds())
            with self._guard:
                followed = self._kept.tails()
                if self._is_whole and not _is_complaint(followed):
                    return followed
        try:
            read = self._read()
        except RefusedError as error:
            # The pod is gone, and its log with it.
            return self._incomplete(str(error))
        if _is_complaint(read):
            return self._incomplete(read.stdout.decode(errors="replace").strip())
        return read if read.stdout or read.stderr else self.so_far()

    def close(self) -> None:
        """Stop following."""
        self._closed.set()
        with self._guard:
            stream = self._stream
        if stream is not None:
            stream.close()

    def _incomplete(self, cause: str) -> Tails:
        """Return what was followed, which may not be all."""
        _logger.info("log not read", extra={"pod": self._pod, "cause": cause})
        followed = self.so_far()
        if _is_complaint(followed):
            followed = Tails(b"", b"")
        return replace(followed, unread=cause)

    def _read(self) -> Tails:
        for lines in (_FIRST_LINES, _ALL):
            kept = StreamTails()
            streams = MarkedStreams(self._mark, kept)
            with self._api.logs(
                self._namespace,
                self._pod,
                container=MAIN,
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
        """Follow to the end; a stream that is cut begins anew."""
        try:
            while not self._closed.is_set():
                try:
                    self._follow_once()
                except ApiUnavailableError:
                    self._closed.wait(_PAUSE)
                else:
                    return
        except KubernetesError as error:
            # The pod is gone; what was kept is what there is.
            extra = {"pod": self._pod, "cause": str(error)}
            _logger.info("log not followed", extra=extra)
        finally:
            self._opened.set()

    def _follow_once(self) -> None:
        """Follow one stream to its end."""
        stream = self._api.logs(
            self._namespace,
            self._pod,
            container=MAIN,
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


def _is_complaint(tails: Tails) -> bool:
    return not tails.stderr and _COMPLAINT.fullmatch(tails.stdout) is not None
