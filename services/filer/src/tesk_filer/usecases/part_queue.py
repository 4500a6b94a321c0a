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
        self._left = deque(Claim(part, part.start) for part in parts)
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
            return self._claimed(self._left.popleft()) if self._left else None

    def last(self) -> Claim | None:
        """Claim the last part that is left."""
        with self._changed:
            return self._claimed(self._left.pop()) if self._left else None

    def leave(self, claim: Claim) -> None:
        """Leave what has not arrived of a claim, which is given back next, to others."""
        with self._changed:
            if self._failure is None:
                left = [*self._left, Claim(claim.part, claim.position)]
                self._left = deque(sorted(left, key=lambda each: each.position))

    def give_back(self, failure: Exception | None = None) -> None:
        """End a claim; the failure of one is that of the file."""
        with self._changed:
            self._active -= 1
            if failure is not None:
                self._failure = self._failure or failure
                self._left.clear()
            self._changed.notify_all()

    def wait(self) -> bool:
        """Wait until no part is claimed any more; tell whether some are left.

        Raises:
            Exception: The first failure.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._active)
            if self._failure is not None:
                raise self._failure
            return bool(self._left)

    def _claimed(self, claim: Claim) -> Claim:
        self._active += 1
        return claim
