"""How the last taskmasters ended: a bounded memory."""

import threading
from collections import OrderedDict

_MOST = 1000


class LastWords:
    """Keeps a phrase for each; forgets the oldest. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._words: OrderedDict[str, str] = OrderedDict()

    def keep(self, taskmaster_id: str, words: str) -> None:
        """Replace what was said before."""
        with self._lock:
            self._words[taskmaster_id] = words
            self._words.move_to_end(taskmaster_id)
            while len(self._words) > _MOST:
                self._words.popitem(last=False)

    def of(self, taskmaster_id: str) -> str | None:
        """Return what was kept, or None."""
        with self._lock:
            return self._words.get(taskmaster_id)
