"""Where taskmasters are started."""

from collections.abc import Collection
from typing import Protocol


class LaunchError(Exception):
    """A taskmaster cannot be started; the message says why, for people."""


class TaskmasterLauncher(Protocol):
    """Starts taskmasters and knows which of them live.

    It keeps no state that it could not find again after a restart.
    """

    def launch(self, taskmaster_id: str) -> None:
        """Start one; return before it is ready. Starting a living one is a no-op.

        Raises:
            LaunchError: It cannot be started.
        """

    def living(self) -> Collection[str]:
        """List the ids of those that live or are starting."""

    def kill(self, taskmaster_id: str) -> None:
        """End one at once; return when it is gone. What it runs is not touched."""

    def last_words(self, taskmaster_id: str) -> str:
        """Say how a dead one ended, as far as that is known; else ""."""
