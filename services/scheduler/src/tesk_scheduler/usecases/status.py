"""Holds the conditions of this process, for metrics."""


class Status:
    """Conditions of one process."""

    def __init__(self) -> None:
        self._leads = False
        self._is_ready = True

    @property
    def is_leader(self) -> bool:
        """Tell whether this process leads."""
        return self._leads

    @is_leader.setter
    def is_leader(self, is_leader: bool) -> None:
        self._leads = is_leader

    @property
    def is_ready(self) -> bool:
        """Tell whether the store could be written when it was last checked."""
        return self._is_ready

    @is_ready.setter
    def is_ready(self, is_ready: bool) -> None:
        self._is_ready = is_ready
