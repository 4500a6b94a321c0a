"""Taskmasters that are only names: started, living and killed by word."""

import threading
from collections.abc import Collection

from tesk_scheduler.ports.launcher import LaunchError


class FakeLauncher:
    """Keeps the rules of ``TaskmasterLauncher`` without processes."""

    def __init__(self) -> None:
        self.launched: list[str] = []
        self.killed: list[str] = []
        self.refusal = ""
        self._living: set[str] = set()
        self._ends: dict[str, str] = {}
        self._lock = threading.Condition()

    def launch(self, taskmaster_id: str) -> None:
        if self.refusal:
            raise LaunchError(self.refusal)
        with self._lock:
            if taskmaster_id not in self._living:
                self._living.add(taskmaster_id)
                self.launched.append(taskmaster_id)
                self._lock.notify_all()

    def living(self) -> Collection[str]:
        with self._lock:
            return set(self._living)

    def kill(self, taskmaster_id: str) -> None:
        with self._lock:
            if taskmaster_id in self._living:
                self._living.discard(taskmaster_id)
                self.killed.append(taskmaster_id)
                self._ends[taskmaster_id] = "it was killed by signal 9"

    def last_words(self, taskmaster_id: str) -> str:
        with self._lock:
            return self._ends.get(taskmaster_id, "")

    def die(self, taskmaster_id: str, code: int) -> None:
        """Let one end by itself."""
        with self._lock:
            self._living.discard(taskmaster_id)
            self._ends[taskmaster_id] = f"it ended with exit code {code}"

    def end_all(self) -> None:
        """Let all go, and no more be started."""
        self.refusal = "the test is over"
        for taskmaster_id in self.living():
            self.die(taskmaster_id, 0)

    def wait_for(self, number: int) -> str:
        """Wait until so many were launched; return the last of them."""
        with self._lock:
            assert self._lock.wait_for(lambda: len(self.launched) >= number, 10)
            return self.launched[number - 1]
