"""Bounds what servers send that is no file: listings, errors, tokens, replies.

A stall timeout bounds the time between two bytes, and so no document: a server that
sends one byte before each of them would hold a filer for years.
"""

import math
import time
from collections.abc import Callable, Iterator

from tesk_filer.ports import StorageError

_STALLS = 5
_PIECE = 64 * 1024  # bytes


class Deadline:
    """When all of a document must have arrived: after five stall timeouts."""

    def __init__(self, stall: float | None) -> None:
        """Begin now.

        ``stall`` is the timeout of the connection, in seconds; None: it has none.
        """
        self._at = math.inf if stall is None else time.monotonic() + _STALLS * stall

    def check(self) -> None:
        """Raise StorageError, transient, if the document takes too long."""
        if time.monotonic() > self._at:
            raise StorageError("the server is too slow", transient=True)


def pieces_of(
    read: Callable[[int], bytes], *, limit: int, stall: float | None
) -> Iterator[bytes]:
    """Yield a document as it arrives.

    Args:
        read: Returns what is there, at most so many bytes; none at the end.
        limit: Bytes.
        stall: Seconds; see ``Deadline``.

    Raises:
        StorageError: It is longer than ``limit``, or takes too long.
    """
    deadline = Deadline(stall)
    received = 0
    while piece := read(_PIECE):
        received += len(piece)
        if received > limit:
            raise StorageError(f"the server sends more than {limit:,} bytes")
        deadline.check()
        yield piece


def read_document(
    read: Callable[[int], bytes], *, limit: int, stall: float | None
) -> bytes:
    """Return all of a document; see ``pieces_of``."""
    return b"".join(pieces_of(read, limit=limit, stall=stall))
