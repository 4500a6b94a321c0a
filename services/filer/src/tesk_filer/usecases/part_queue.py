"""Hands out the parts of one large file to the threads that bring it."""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from tesk_filer.ports import Part


@dataclass(slots=True, eq=False)
class Claim:
    """A part that one thread brings.

    Attributes:
        position: Where the bytes that have not arrived begin.
    """

    part: Part
    position: int

    @property
    def is_whole(self) -> bool:
        """Whether all of it has arrived."""
        return self.position == self.part.stop


class PartQueue:
    """The parts that nobody has claimed yet, in order; safe for many threads."""

    def __init__(self, parts: Iterable[Part]) -> None:
        """Begin with ``parts``, none of which overlap."""
        self._left = deque(parts)
        self._active = 0
        self._failure: Exception | None = None
        self._changed = threading.Condition()

    @property
    def has_failed(self) -> bool:
        """Whether a part cannot be brought, so that no other need be."""
        return self._failure is not None

    def first(self) -> Claim | None:
        """Claim the first part that is left."""
        with self._changed:
            return self._claim(self._left.popleft()) if self._left else None

    def last(self) -> Claim | None:
        """Claim the last part that is left."""
        with self._changed:
            return self._claim(self._left.pop()) if self._left else None

    def give_back(self, failure: Exception | None = None) -> None:
        """End a claim; the failure of one is that of the file."""
        with self._changed:
            self._active -= 1
            if failure is not None:
                self._failure = self._failure or failure
                self._left.clear()
            self._changed.notify_all()

    def wait(self) -> None:
        """Wait until no part is claimed any more.

        Raises:
            Exception: The first failure.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._active)
            if self._failure is not None:
                raise self._failure

    def _claim(self, part: Part) -> Claim:
        self._active += 1
        return Claim(part, part.start)
