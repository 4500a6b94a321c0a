"""What is new in a stream of which only the end is known.

The server keeps the last 64 KiB of each stream, so two looks at it overlap,
or, if much was printed in between, do not.
"""

SKIPPED = "\n[… output skipped …]\n"

# The half of a character that was not read yet.
_REPLACEMENT = "\ufffd"


def settled(text: str) -> str:
    """Return ``text`` without an end that may still become another character."""
    return text.rstrip(_REPLACEMENT)


def appended(previous: str, current: str) -> str:
    """Return what must be printed after ``previous`` so that ``current`` is seen.

    Args:
        previous: The end of the stream at the last look.
        current: The end of the stream now.

    Returns:
        The new text; ``SKIPPED`` and all of ``current`` if nothing overlaps.
    """
    if current.startswith(previous):
        return current[len(previous) :]
    anchor = current[:64]
    start = previous.find(anchor)
    while start >= 0:
        kept = previous[start:]
        if current.startswith(kept):
            return current[len(kept) :]
        start = previous.find(anchor, start + 1)
    return SKIPPED + current
