"""Defines how taskmasters are started and ended."""

from collections.abc import Collection
from typing import Protocol


class LaunchError(Exception):
    """A taskmaster cannot be started or ended now; the message is for people."""


class TaskmasterLauncher(Protocol):
    """Starts and ends taskmasters, and knows which of them are alive.

    It keeps no state that it could not find again after a restart. It acts only
    when called, so that of several schedulers only the leader acts.
    """

    def revision(self) -> str:
        """Return a hash of all that ``launch`` starts a taskmaster from.

        It changes with image, settings and templates, and is the same for all
        schedulers that use the same.
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
        """List the ids of those that ended and left something for ``kill`` to remove."""

    def may_act(self, taskmaster_id: str) -> bool:
        """Tell whether one that is not alive may still act.

        True unless it is known to have ended: it may be ending, or be on a
        machine that does not answer. It stops by itself when its lease ends.
        """

    def was_disrupted(self, taskmaster_id: str) -> bool:
        """Tell whether it ended, or is ending, for a reason of the cluster's own.

        Its node is drained or lost, or its place went to another: no attempt of it is
        the cause. False if that is not known.
        """

    def kill(self, taskmaster_id: str) -> None:
        """End one at once and remove what it left; no-op if there is nothing.

        What it runs is not touched. One on a machine that does not answer is
        given up; the caller makes sure that it cannot act any more.

        Raises:
            LaunchError: Whether it is gone cannot be known now.
        """

    def status_message(self, taskmaster_id: str) -> str:
        """Return how one ended, or why a starting one does not come up.

        Returns:
            A phrase for people; "" if nothing is known.
        """
