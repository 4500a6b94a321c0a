"""How many small files move at once to or from a host that is far away.

A small file is mostly a wait for the response: as many must wait at once as a filer
could move in that time, or it idles (Little's law: L = λW).
"""

import math
from dataclasses import dataclass

from tesk_model.schemes import SCHEMES

_SMALL = 256 * 1024  # bytes, of which the way takes less time than the response
_FILES_PER_SECOND = 1500  # that one process moves, if it waits for nothing
_SAMPLES = 64  # after which connections are open: the shortest time is no handshake's


def widening_of(scheme: str, size: int | None) -> int:
    """Return how many times as many files as usual may move at once; 1: no more.

    Args:
        scheme: Of a file's url.
        size: Its bytes; None: unknown, and mostly few.
    """
    return SCHEMES[scheme].widening if size is None or size <= _SMALL else 1


@dataclass(slots=True)
class ResponseTimes:
    """The shortest time to a response; others waited for something else, too.

    Attributes:
        shortest: Seconds.
        left: Responses that are still to be measured.
    """

    shortest: float = math.inf
    left: int = _SAMPLES

    def add(self, seconds: float) -> int | None:
        """Add one time; return how many files should move at once.

        None until enough were measured, and ever after.
        """
        if not self.left:
            return None
        self.left -= 1
        self.shortest = min(self.shortest, seconds)
        return None if self.left else math.ceil(self.shortest * _FILES_PER_SECOND)
