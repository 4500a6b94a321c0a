"""Defines the caller of a request and which tasks it may see."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """The user on whose behalf the api calls.

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
    def visible_owner(self) -> str | None:
        """Owner of the tasks that the caller may see; None for all owners."""
        return None if self.admin else self.user
