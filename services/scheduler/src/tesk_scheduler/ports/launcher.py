"""Where taskmasters are started."""

from collections.abc import Collection
from typing import Protocol


class LaunchError(Exception):
    """A taskmaster cannot be started or ended now; the message says why, for people."""


class TaskmasterLauncher(Protocol):
    """Starts taskmasters and knows which of them are alive.

    It keeps no state that it could not find again after a restart. It does
    nothing to them unasked, so that of several schedulers the leader's acts.
    """

    def revision(self) -> str:
        """Return what stands for all that ``launch`` starts one from.

        Image, settings and templates: when any of them changes, so does this.
        It is the same for all schedulers that start from the same.
        """

    def launch(self, taskmaster_id: str) -> None:
        """Start one; return before it is ready. No-op if it is alive.

        Raises:
            LaunchError: It cannot be started.
        """

    def alive(self) -> Collection[str]:
        """List the ids of those that run or are starting.

        Raises:
            LaunchError: It is not known yet.
        """

    def ended(self) -> Collection[str]:
        """List the ids of those that ended and left something that ``kill`` removes."""

    def may_act(self, taskmaster_id: str) -> bool:
        """Tell whether one that is not alive may still be doing something.

        True unless its end is known for sure: it may be ending, or be on a
        machine that does not answer. It stops by itself when its lease ends.
        """

    def kill(self, taskmaster_id: str) -> None:
        """End one at once and remove what is left of it; no-op if there is nothing.

        What it runs is not touched. One on a machine that does not answer is
        given up; that it stopped acting is for the caller to know.

        Raises:
            LaunchError: Whether it is gone cannot be known now.
        """

    def status_message(self, taskmaster_id: str) -> str:
        """Say how one ended, or why a starting one does not come up.

        Returns:
            A phrase for people, as far as it is known; else "".
        """
