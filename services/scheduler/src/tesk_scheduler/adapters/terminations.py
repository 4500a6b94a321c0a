"""How the last taskmasters ended: a bounded memory."""

import threading
from collections import OrderedDict

_MOST = 1000


class Terminations:
    """Keeps one message for each; forgets the oldest. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: OrderedDict[str, str] = OrderedDict()

    def keep(self, taskmaster_id: str, message: str) -> None:
        """Keep one instead of an earlier one."""
        with self._lock:
            self._messages[taskmaster_id] = message
            self._messages.move_to_end(taskmaster_id)
            while len(self._messages) > _MOST:
                self._messages.popitem(last=False)

    def of(self, taskmaster_id: str) -> str:
        """Return what was kept, or ""."""
        with self._lock:
            return self._messages.get(taskmaster_id, "")
