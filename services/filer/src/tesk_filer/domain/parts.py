"""Decides into which parts a large file is cut, and how many arrive at once.

A connection of an object store brings some 90 MB/s, and one over a long distance less,
so that several are needed to fill the network. Where one is fast already, the processor
is the limit, and more would only share it.

Source:
    AWS, "Best practices design patterns: optimizing Amazon S3 performance": ranges of 8
    to 16 MB, several at once.
"""

from collections.abc import Iterator
from math import ceil

MIB = 1024 * 1024
_SMALLEST = 16 * MIB
_LARGEST = 64 * MIB
_SHARE = 64  # parts of a file of medium size
_MOST = 10_000  # parts of any file
_MOST_STREAMS = 16  # of one file; tools of object stores use 10
_ENOUGH = 500e6  # bytes per second that one processor can take in


def part_size(size: int) -> int:
    """Return the bytes of a part of a file of ``size`` bytes."""
    usual = min(max(size // _SHARE, _SMALLEST), _LARGEST)
    return max(usual, ceil(size / _MOST))


def cut(size: int) -> Iterator[tuple[int, int]]:
    """Yield where each part starts and stops."""
    step = part_size(size)
    for start in range(0, size, step):
        yield start, min(start + step, size)


def streams_for(rate: float, most: int) -> int:
    """Return how many connections a file needs.

    Args:
        rate: Bytes per second that the first one brings.
        most: Upper bound.
    """
    return max(1, min(most, _MOST_STREAMS, ceil(_ENOUGH / max(rate, 1))))
