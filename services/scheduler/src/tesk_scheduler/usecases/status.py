"""What this scheduler knows of itself and its store does not, for metrics."""

import threading


class Status:
    """Counts and conditions of one process; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leads = False
        self._is_ready = True
        self._remains = 0

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

    @property
    def leftovers(self) -> int:
        """How many attempts left something that could not be removed."""
        return self._remains

    def add_leftovers(self, count: int) -> None:
        """Count attempts that left something."""
        with self._lock:
            self._remains += count
