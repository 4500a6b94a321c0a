"""Finds the new output in a stream of which only the end (tail) is known.

The server keeps the last 64 KiB of each stream, so two tails overlap, or, if
much was printed in between, do not.
"""

from collections.abc import Iterator

SKIPPED = "\n[… output skipped …]\n"

_ANCHOR = 64  # characters

# Stands for a character of which only the first bytes were read.
_REPLACEMENT = "\ufffd"


def without_partial_character(text: str) -> str:
    """Return ``text`` without a last character of which bytes are missing."""
    return text.rstrip(_REPLACEMENT)


def new_output(previous: str, current: str) -> str:
    """Return what must be printed after ``previous`` so that ``current`` is seen.

    Args:
        previous: The end of the stream as read before.
        current: The end of the stream now.

    Returns:
        The new text; ``SKIPPED`` and all of ``current`` if nothing overlaps.
    """
    if current.startswith(previous):
        return current[len(previous) :]
    overlap = next(_overlaps(previous, current), 0)
    return current[overlap:] if overlap else SKIPPED + current


def _overlaps(previous: str, current: str) -> Iterator[int]:
    """Yield how long ends of ``previous`` are that start ``current``, longest first.

    Streams are long and have few places that look like the start of
    ``current``, so these are searched for; only short ends are all tried.
    """
    anchor = current[:_ANCHOR]
    start = previous.find(anchor)
    while start >= 0:
        if current.startswith(previous[start:]):
            yield len(previous) - start
        start = previous.find(anchor, start + 1)
    for length in range(min(len(anchor), len(previous)), 0, -1):
        if current.startswith(previous[-length:]):
            yield length
