"""Bounds what is stored of a task, so that what was written can always be read.

A response about one task must fit one message (64 MiB, ``MESSAGE_LIMIT``),
whatever its commands, filers and taskmasters reported. So each part has a bound
where it is written, and the sum of all bounds is below that of a message.
``system_logs`` report what is omitted.

Sizes are bytes of UTF-8.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

KIB, MIB = 1024, 1024 * 1024

DOCUMENT_BYTES = 18 * MIB
EXECUTORS = 10_000
TAGS = 10_000
# As many as a task may have; each is three numbers.
INPUT_SIZES = 10_000

LINES, LINE_BYTES, LINES_BYTES = 1000, 8 * KIB, 1 * MIB
ENTRIES, KEY_BYTES, ENTRY_BYTES, ENTRIES_BYTES = 200, 256, 4 * KIB, 256 * KIB
REASON_BYTES = 4 * KIB

OUTPUT_FILES, OUTPUTS_BYTES = 200_000, 20 * MIB
OUTPUT_OVERHEAD = 16  # of one entry, beside its names

# 64 KiB of a stream may be three times as much when it is no text.
STREAM_BYTES = 192 * KIB
LATER_STREAM_BYTES = 2 * KIB
WHOLE_STREAMS = 32  # executors whose streams are kept whole
TRUNCATED_STREAMS = 1024  # of those after these nothing is kept
STREAMS_BYTES = 2 * (
    WHOLE_STREAMS * STREAM_BYTES
    + (TRUNCATED_STREAMS - WHOLE_STREAMS) * LATER_STREAM_BYTES
)
# Of one log, beside its streams: times, exit code, and what was used, which is in
# metadata as well.
EXECUTOR_OVERHEAD = 176
IMAGE_DIGEST_BYTES = 1 * KIB

LINES_LEFT_OUT = (
    f"further lines were left out: at most {LINES:,} lines and "
    f"{LINES_BYTES // MIB} MiB are kept of a task"
)


class Retained(NamedTuple):
    """Number and bytes of the entries of one kind that are stored."""

    number: int
    size: int


NOTHING_RETAINED = Retained(0, 0)


def size_of(text: str) -> int:
    """Return the bytes of ``text``."""
    return len(text) if text.isascii() else len(text.encode())


def truncated(text: str, max_bytes: int) -> str:
    """Return ``text``, or its beginning if it has more than ``max_bytes`` bytes."""
    size = size_of(text)
    if size <= max_bytes:
        return text
    note = f" … (cut, {size:,} bytes in all)"
    head = text.encode()[: max_bytes - len(note.encode())]
    return head.decode(errors="ignore") + note


def fitting_lines(lines: Sequence[str], stored: Retained) -> Sequence[str]:
    """Return the first of ``lines`` that still fit, each truncated."""
    room = Retained(LINES - stored.number, LINES_BYTES - stored.size)
    fitting = []
    used = 0
    for line in lines[: max(0, room.number)]:
        short = truncated(line, LINE_BYTES)
        used += size_of(short)
        if used > room.size:
            break
        fitting.append(short)
    return fitting


def fitting_entries(
    entries: Mapping[str, str], stored: Mapping[str, int]
) -> tuple[Mapping[str, str], int]:
    """Return the entries of metadata that fit, and the number of those that do not.

    Args:
        entries: New ones, or new values of known ones.
        stored: Bytes of the stored ones, by key, keys included.
    """
    sizes = dict(stored)
    fitting = {}
    for key, value in entries.items():
        short = truncated(value, ENTRY_BYTES)
        size = size_of(key) + size_of(short)
        total = sum(sizes.values()) - sizes.get(key, 0) + size
        is_new = key not in sizes
        if (
            (is_new and len(sizes) >= ENTRIES)
            or size_of(key) > KEY_BYTES
            or total > ENTRIES_BYTES
        ):
            continue
        sizes[key] = size
        fitting[key] = short
    return fitting, len(entries) - len(fitting)


def fitting_outputs(sizes: Sequence[int], stored: Retained) -> int:
    """Return how many of the first output files still fit."""
    used = stored.size
    for number, size in enumerate(sizes):
        used += size + OUTPUT_OVERHEAD
        if stored.number + number >= OUTPUT_FILES or used > OUTPUTS_BYTES:
            return number
    return len(sizes)


def stream_bytes(index: int) -> int:
    """Return the most bytes that are kept of each stream of an executor."""
    if index < WHOLE_STREAMS:
        return STREAM_BYTES
    return LATER_STREAM_BYTES if index < TRUNCATED_STREAMS else 0


def stream_tail(text: str, index: int) -> str:
    """Return the end of a stream of an executor that is kept."""
    most = stream_bytes(index)
    if size_of(text) <= most:
        return text
    return text.encode()[-most:].decode(errors="ignore") if most else ""


def entries_left_out(count: int) -> str:
    """Format the line that entries of metadata were omitted."""
    return (
        f"{count} entries of metadata were left out: at most {ENTRIES} with "
        f"{ENTRIES_BYTES // KIB} KiB are kept of a task"
    )


def outputs_left_out(count: int) -> str:
    """Format the line that uploaded files are not listed."""
    return (
        f"{count:,} more files were uploaded than are listed in outputs: at most "
        f"{OUTPUT_FILES:,} with {OUTPUTS_BYTES // MIB} MiB of names are kept of a task"
    )
