"""Remembers how the last taskmasters ended."""

import threading
from collections import OrderedDict

_CAPACITY = 1000


class Terminations:
    """Keeps one message for each taskmaster, up to a limit. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: OrderedDict[str, str] = OrderedDict()

    def record(self, taskmaster_id: str, message: str) -> None:
        """Record the message of a taskmaster; it replaces an earlier one."""
        with self._lock:
            self._messages[taskmaster_id] = message
            self._messages.move_to_end(taskmaster_id)
            while len(self._messages) > _CAPACITY:
                self._messages.popitem(last=False)

    def message(self, taskmaster_id: str) -> str:
        """Return the message of a taskmaster, or ""."""
        with self._lock:
            return self._messages.get(taskmaster_id, "")
