"""Reads the end of a container's stdout and stderr, without reading all of it.

The engine's API delivers both streams in frames. Podman's API (seen with 4.3)
mixes the two streams where lines are partial, so its log file is read wherever that
is permitted: its records tell streams and line ends apart.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from tesk_taskmaster.adapters.container.api import ContainerApi
from tesk_taskmaster.adapters.container.retries import retried
from tesk_taskmaster.adapters.stream_tails import StreamTails
from tesk_taskmaster.domain.tails import TAIL_BYTES
from tesk_taskmaster.ports import Tails

_STDERR = 2
_HEADER = 8  # stream, three zeros, length (big endian)
# One record is at most 16 KiB, so this is at most 4 MiB; then, all there is.
FIRST_RECORDS = 256
_BLOCK = 512 * 1024
_SEARCHED = 256 * 1024**2
_BEGINNING = 16 * 1024**2


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


def read_log_file(path: Path, *, block_size: int = _BLOCK) -> Tails:
    """Return the tails from a log file in Kubernetes' format.

    Reads from the end, block by block, until both streams have their 64 KiB: at
    most 256 MiB, and then the first 16, where most programs say what is wrong before
    the other stream floods. What is between is not found. Blocks without a record of a
    stream that lacks some are skipped, so that a flood of the other costs little.

    Raises:
        OSError: The file cannot be read.

    Source:
        Kubernetes, "CRI Log Format": ``<time> <stream> <F or P> <text>``, P for
        a line that goes on in the stream's next record.
    """
    found = Tails(b"", b"")
    with path.open("rb") as log:
        for block in _blocks_from_end(log, block_size):
            wanted = [
                name
                for name, tail in ((b"stdout", found.stdout), (b"stderr", found.stderr))
                if len(tail) < TAIL_BYTES
            ]
            if not wanted:
                break
            if any(b" %s " % name in block for name in wanted):
                found = _joined(_tails_of(block), found)
    return found


def _blocks_from_end(log: BinaryIO, block_size: int) -> Iterator[bytes]:
    """Yield the file's blocks of whole lines, the last first."""
    size = end = log.seek(0, 2)
    line_end = b""  # of the line that the block before begins in
    while end:
        if size - end >= _SEARCHED and end > _BEGINNING:
            end, line_end = _line_end_before(log, _BEGINNING), b""
        start = max(0, end - block_size)
        log.seek(start)
        block = log.read(end - start) + line_end
        if start:
            line_end, newline, block = block.partition(b"\n")
            line_end = line_end + newline if len(line_end) < _BLOCK else b""
        yield block
        end = start


def _line_end_before(log: BinaryIO, position: int) -> int:
    """Return where the last line that is whole at ``position`` ends."""
    start = max(0, position - _BLOCK)
    log.seek(start)
    return start + log.read(position - start).rfind(b"\n") + 1


def _tails_of(block: bytes) -> Tails:
    tails = StreamTails()
    for is_stderr, data in _records(block.split(b"\n")):
        tails.add(is_stderr=is_stderr, data=data)
    return tails.tails()


def _joined(older: Tails, newer: Tails) -> Tails:
    return Tails(
        (older.stdout + newer.stdout)[-TAIL_BYTES:],
        (older.stderr + newer.stderr)[-TAIL_BYTES:],
    )


def _records(lines: Iterable[bytes]) -> Iterator[tuple[bool, bytes]]:
    for line in lines:
        fields = line.split(b" ", 3)
        if len(fields) == 4:  # noqa: PLR2004 - the four of the format
            _, stream, flag, text = fields
            yield stream == b"stderr", text + (b"" if flag == b"P" else b"\n")
