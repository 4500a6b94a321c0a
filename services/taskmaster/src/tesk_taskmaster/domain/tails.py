"""Decodes the end of what an executor prints."""

TAIL_BYTES = 64 * 1024


def tail_text(tail: bytes) -> str:
    """Return the end of a stream as text, invalid UTF-8 replaced.

    A character of which only the last bytes are left is dropped, not replaced.
    """
    text = tail[-TAIL_BYTES:]
    if len(tail) >= TAIL_BYTES:
        text = text.lstrip(bytes(range(0x80, 0xC0)))
    # Protobuf strings and PostgreSQL texts: the first takes NUL, the last not.
    return text.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
