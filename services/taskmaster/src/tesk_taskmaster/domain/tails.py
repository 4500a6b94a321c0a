"""The end of what an executor prints, as text."""

TAIL_BYTES = 64 * 1024


def tail_text(tail: bytes) -> str:
    """Return the end of a stream as text, invalid UTF-8 replaced.

    A character that the cut split at the front is dropped, not replaced.
    """
    cut = tail[-TAIL_BYTES:]
    if len(tail) >= TAIL_BYTES:
        cut = cut.lstrip(bytes(range(0x80, 0xC0)))
    # Protobuf strings and PostgreSQL texts: the first takes NUL, the last not.
    return cut.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
