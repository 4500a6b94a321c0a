"""How many files move at once from a host that says that it is asked for too much.

Additive increase, multiplicative decrease: the number halves when the host complains,
and grows by one for each number of successes. It finds what the host takes, and shares
that fairly with others who do the same.

Source:
    D. Chiu, R. Jain, "Analysis of the increase and decrease algorithms for congestion
    avoidance" (1989); RFC 5681, 3.1, has it for TCP.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The number of requests that may be under way.

    Attributes:
        most: Upper bound.
        size: The number, with what it has grown towards the next one.
        decreases: How often it was halved.
    """

    most: int
    size: float
    decreases: int = 0

    @classmethod
    def open(cls, most: int) -> "Window":
        """Return the window of a host that has not complained."""
        return cls(most=most, size=float(most))

    @property
    def limit(self) -> int:
        """Requests that may be under way; one at least."""
        return max(int(self.size), 1)

    def widened(self, most: int) -> "Window":
        """Return a window of up to ``most``, unless the host has ever complained."""
        if self.decreases or most <= self.most:
            return self
        return replace(self, most=most, size=float(most))

    def after_success(self) -> "Window":
        """Return the window after a request that went well."""
        return replace(self, size=min(self.size + 1 / self.size, float(self.most)))

    def after_complaint(self, decreases: int) -> "Window":
        """Return the window after a request that was one too many.

        Args:
            decreases: What the window's were when the request began: all those that
                were under way then tell of one and the same excess.
        """
        if decreases != self.decreases:
            return self
        return replace(self, size=max(self.size / 2, 1.0), decreases=self.decreases + 1)
