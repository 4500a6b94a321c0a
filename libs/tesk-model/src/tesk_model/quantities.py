"""Converts amounts between TES numbers, bytes and text."""

import math
from typing import NewType

ByteCount = NewType("ByteCount", int)

_STEP = 1024
GIB = _STEP**3


def bytes_from_gib(gib: float) -> ByteCount:
    """Convert TES ``ram_gb`` or ``disk_gb`` to bytes, rounded up.

    The specification says "gigabytes"; clients mean GiB or GB. Reading them
    as GiB never gives a task less than it asked for.

    Raises:
        ValueError: ``gib`` is negative, or it or its bytes are not finite.
    """
    if not math.isfinite(gib * GIB) or gib < 0:
        msg = f"{gib} is not an amount of memory"
        raise ValueError(msg)
    return ByteCount(math.ceil(gib * GIB))


def gib_from_bytes(count: int) -> float:
    """Convert bytes to GiB."""
    return count / GIB


def format_number(value: float) -> str:
    """Format a number for people: ``4``, ``0.5``, ``1.25``; at most 3 decimals."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def format_bytes(count: int) -> str:
    """Format a byte count for people: ``512 B``, ``1.5 KiB``, ``2 GiB``."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < _STEP:
            return f"{value:.1f}".rstrip("0").rstrip(".") + f" {unit}"
        value /= _STEP
    return f"{value:.1f}".rstrip("0").rstrip(".") + " TiB"
