"""A launcher in memory: its taskmasters are only ids."""

import threading
from collections.abc import Collection

from tesk_scheduler.ports.launcher import LaunchError


class FakeLauncher:
    """Keeps the rules of ``TaskmasterLauncher`` without processes."""

    def __init__(self) -> None:
        self.launched: list[str] = []
        self.killed: list[str] = []
        self.refusal = ""
        self.outage = ""
        self.refused = 0
        self.present_revision = ""
        self._alive: set[str] = set()
        self._terminations: dict[str, str] = {}
        self._leftovers: set[str] = set()
        self._uncertain: set[str] = set()
        self._disrupted: set[str] = set()
        self._lock = threading.Condition()

    def revision(self) -> str:
        return self.present_revision

    def launch(self, taskmaster_id: str) -> None:
        if self.refusal or self.outage:
            self.refused += 1
            raise LaunchError(self.refusal or self.outage)
        with self._lock:
            if taskmaster_id not in self._alive:
                self._alive.add(taskmaster_id)
                self.launched.append(taskmaster_id)
                self._lock.notify_all()

    def alive(self) -> Collection[str]:
        with self._lock:
            return set(self._alive)

    def ended(self) -> Collection[str]:
        with self._lock:
            return set(self._leftovers)

    def may_act(self, taskmaster_id: str) -> bool:
        with self._lock:
            return taskmaster_id in self._uncertain

    def was_disrupted(self, taskmaster_id: str) -> bool:
        with self._lock:
            return taskmaster_id in self._disrupted

    def kill(self, taskmaster_id: str) -> None:
        if self.outage:
            raise LaunchError(self.outage)
        with self._lock:
            if taskmaster_id in self._leftovers:
                self._leftovers.discard(taskmaster_id)
                self.killed.append(taskmaster_id)
            if taskmaster_id in self._alive:
                self._alive.discard(taskmaster_id)
                self.killed.append(taskmaster_id)
                self._terminations[taskmaster_id] = "it was killed by signal 9"

    def status_message(self, taskmaster_id: str) -> str:
        with self._lock:
            return self._terminations.get(taskmaster_id, "")

    def report_message(self, taskmaster_id: str, message: str) -> None:
        """Let one that starts say why it does not come up; "": it does."""
        with self._lock:
            self._terminations[taskmaster_id] = message

    def vanish(self, taskmaster_id: str) -> None:
        """Let one not be seen any more; whether it has ended is unknown."""
        with self._lock:
            self._alive.discard(taskmaster_id)
            self._uncertain.add(taskmaster_id)
            self._terminations[taskmaster_id] = "its machine does not answer"

    def appear(self, taskmaster_id: str) -> None:
        """Let one be alive that this launcher did not launch."""
        with self._lock:
            self._alive.add(taskmaster_id)

    def die(
        self, taskmaster_id: str, code: int, *, leaves_something: bool = False
    ) -> None:
        """Let one end by itself; what it leaves is there until it is killed."""
        with self._lock:
            if leaves_something:
                self._leftovers.add(taskmaster_id)
            self._alive.discard(taskmaster_id)
            self._terminations[taskmaster_id] = f"it ended with exit code {code}"

    def disrupt(self, taskmaster_id: str) -> None:
        """Let the node of one be drained."""
        with self._lock:
            self._disrupted.add(taskmaster_id)
            self._alive.discard(taskmaster_id)
            self._terminations[taskmaster_id] = "EvictionByEvictionAPI"

    def end_all(self) -> None:
        """Let all go, and no more be started."""
        self.refusal = "the test is over"
        for taskmaster_id in self.alive():
            self.die(taskmaster_id, 0)

    def wait_for(self, number: int) -> str:
        """Wait until so many were launched; return the last of them."""
        with self._lock:
            assert self._lock.wait_for(lambda: len(self.launched) >= number, 10)
            return self.launched[number - 1]
