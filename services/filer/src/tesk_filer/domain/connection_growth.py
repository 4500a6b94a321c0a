"""Decides whether another connection to a server is worth its login.

It is where threads wait for the network: while all of them together compute for as long
as a file takes, more connections take processors from those that there are.
"""

from dataclasses import dataclass

_SHARE = 0.25  # of a login, for which a connection that is returned is waited for
_LEAST = 0.01  # seconds; what is less is noise
_WEIGHT = 0.125  # of the last file in the means
# Times what all threads compute: the server and its kernel compute for a file, too.
_IDLE = 3


@dataclass(slots=True)
class Growth:
    """What logins and files have taken so far, in seconds.

    Attributes:
        login: The last login.
        held: For how long a connection is lent, on average; None: none was returned.
        computed: What its thread computes meanwhile.
    """

    login: float = 0.0
    held: float | None = None
    computed: float = 0.0

    @property
    def wait_timeout(self) -> float:
        """For how long to wait for a connection rather than to open one."""
        return max(self.login * _SHARE, _LEAST)

    def opened(self, seconds: float) -> None:
        """Hear what a login took."""
        self.login = seconds

    def returned(self, seconds: float, computed: float) -> None:
        """Hear for how long a connection was lent, and what its thread computed."""
        if self.held is None:
            self.held, self.computed = seconds, computed
        else:
            self.held += (seconds - self.held) * _WEIGHT
            self.computed += (computed - self.computed) * _WEIGHT

    def is_worth(self, *, lent: int, waiting: int, waited: float) -> bool:
        """Tell whether to open a connection rather than to wait.

        Args:
            lent: Connections that are in use.
            waiting: Threads that want one.
            waited: Seconds that the first of them has waited for.
        """
        if self.held is None:
            return waited >= self.wait_timeout
        if waited >= max(self.login, _LEAST):
            return True
        # So long until the last one would have one.
        is_long = waiting * self.held / lent >= self.wait_timeout
        return is_long and self.held >= _IDLE * lent * self.computed
