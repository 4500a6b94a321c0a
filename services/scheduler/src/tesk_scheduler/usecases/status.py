"""What this scheduler knows of itself and its store does not, for metrics."""


class Status:
    """Conditions of one process."""

    def __init__(self) -> None:
        self._leads = False
        self._is_ready = True

    @property
    def leads(self) -> bool:
        """Tell whether this process leads."""
        return self._leads

    @leads.setter
    def leads(self, leads: bool) -> None:
        self._leads = leads

    @property
    def is_ready(self) -> bool:
        """Tell whether the store could be written when it was last checked."""
        return self._is_ready

    @is_ready.setter
    def is_ready(self, is_ready: bool) -> None:
        self._is_ready = is_ready
