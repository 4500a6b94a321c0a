"""Reads the end of a container's stdout and stderr, without reading all of it.

The engine's API delivers both streams in frames. Podman's API (seen with 4.3)
mixes the two streams where lines are partial, so its log file is read wherever that
is permitted: its records tell streams and line ends apart.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tesk_taskmaster.adapters.container.api import ContainerApi
from tesk_taskmaster.adapters.container.retries import retried
from tesk_taskmaster.adapters.stream_tails import StreamTails
from tesk_taskmaster.ports import Tails

_STDERR = 2
_HEADER = 8  # stream, three zeros, length (big endian)
# One record is at most 16 KiB, so this is at most 4 MiB; then, all there is.
FIRST_RECORDS = 256
_FIRST_WINDOW = 512 * 1024
_LAST_WINDOW = 32 * 1024**2


def read_tails(
    api: ContainerApi, container: Mapping[str, Any], *, from_file: bool
) -> Tails:
    """Return the end of a container's streams.

    Args:
        api: Of its engine.
        container: As the engine describes it.
        from_file: The engine is Podman.

    Raises:
        StepFailedError: The engine does not return them.
    """
    if from_file:
        try:
            return read_log_file(Path(container["LogPath"]))
        except OSError:
            pass  # the log of a rootful engine, and this process is not root
    name = str(container["Id"])
    tails = StreamTails()
    frames = retried(lambda: read_frames(api.logs(name, FIRST_RECORDS), tails))
    if frames < FIRST_RECORDS or tails.are_full:
        return tails.tails()
    tails = StreamTails()
    retried(lambda: read_frames(api.logs(name, None), tails))
    return tails.tails()


def read_frames(pieces: Iterable[bytes], tails: StreamTails) -> int:
    """Demultiplex a log; return the number of its frames.

    Of a frame that is cut at the end, because the engine stopped, what was received
    is kept.

    Source:
        Docker Engine API 1.41, ``ContainerAttach``, "Stream format".
    """
    count = 0
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        while len(buffer) >= _HEADER:
            end = _HEADER + int.from_bytes(buffer[4:_HEADER], "big")
            if len(buffer) < end:
                break
            count += 1
            tails.add(is_stderr=buffer[0] == _STDERR, data=bytes(buffer[_HEADER:end]))
            del buffer[:end]
    if len(buffer) > _HEADER:
        tails.add(is_stderr=buffer[0] == _STDERR, data=bytes(buffer[_HEADER:]))
    return count


def read_log_file(path: Path) -> Tails:
    """Return the tails from a log file in Kubernetes' format.

    Reads from the end, more and more until both streams have their 64 KiB, at
    most 32 MiB: an old stderr before very much stdout is not found.

    Raises:
        OSError: The file cannot be read.

    Source:
        Kubernetes, "CRI Log Format": ``<time> <stream> <F or P> <text>``, P for
        a line that goes on in the stream's next record.
    """
    with path.open("rb") as log:
        size = log.seek(0, 2)
        window = _FIRST_WINDOW
        while True:
            start = max(0, size - window)
            log.seek(start)
            lines = log.read(size - start).split(b"\n")
            if start:
                del lines[0]  # the first is incomplete
            tails = StreamTails()
            for is_stderr, data in _records(lines):
                tails.add(is_stderr=is_stderr, data=data)
            if tails.are_full or start == 0 or window >= _LAST_WINDOW:
                return tails.tails()
            window *= 8


def _records(lines: Iterable[bytes]) -> Iterator[tuple[bool, bytes]]:
    for line in lines:
        fields = line.split(b" ", 3)
        if len(fields) == 4:  # noqa: PLR2004 - the four of the format
            _, stream, flag, text = fields
            yield stream == b"stderr", text + (b"" if flag == b"P" else b"\n")
