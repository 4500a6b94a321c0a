"""Who asks, and what they may see."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """A user as the api knows it.

    Attributes:
        user: Owner of what the caller creates; "" in open mode.
        admin: Sees and cancels every task.
        request_id: Names the client's request in the logs of every service.
    """

    user: str
    groups: tuple[str, ...] = ()
    admin: bool = False
    request_id: str = ""

    @property
    def whose(self) -> str | None:
        """Whose tasks the caller may see; None for everybody's."""
        return None if self.admin else self.user

    def may_see(self, owner: str) -> bool:
        """Tell whether the caller may know of a task of ``owner``."""
        return self.whose in {None, owner}
