"""Runs taskmasters as processes of this machine.

A taskmaster holds a lock (flock) on its file while it lives and has written
its process id there; so a restarted scheduler finds those of its killed
predecessor. A thread waits for the end of each process, of an adopted one by its
lock, and notifies at once.
"""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

from tesk_runtime.file_lock import FileLock, is_locked, wait_unlocked
from tesk_scheduler.adapters.terminations import Terminations
from tesk_scheduler.ports.launcher import LaunchError

# -P: do not import from the current folder, where tasks may write.
_COMMAND = (sys.executable, "-P", "-m", "tesk_taskmaster")
_SUFFIX = ".lock"
_PID_PAUSE = 0.01  # seconds


class LocalLauncher:
    """See ``TaskmasterLauncher``."""

    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str],
        changed: Callable[[], None],
        command: Sequence[str] = _COMMAND,
    ) -> None:
        """Adopt the taskmasters that live already.

        Args:
            folder: Where the lock files are; made if missing.
            environment: For the processes, without TESK_TASKMASTER_ID.
            changed: Called, on another thread, when a taskmaster ended.
            command: What to start.
        """
        self._folder = folder
        self._environment = dict(environment)
        self._changed = changed
        self._revision = _revision_of(self._environment)
        self._command = list(command)
        self._lock = threading.Lock()
        self._alive: dict[str, subprocess.Popen[bytes] | None] = {}
        self._terminations = Terminations()
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob(f"*{_SUFFIX}")):
            if not self._adopt(path):
                _delete_unlocked(path)

    def revision(self) -> str:
        """Return a hash of program and settings as this scheduler has them."""
        return self._revision

    def launch(self, taskmaster_id: str) -> None:
        """Start a process in its own session."""
        with self._lock:
            if taskmaster_id in self._alive:
                return
            try:
                process = subprocess.Popen(  # noqa: S603 - our own program
                    self._command,
                    env={**self._environment, "TESK_TASKMASTER_ID": taskmaster_id},
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError as error:
                raise LaunchError(f"{self._command[0]}: {error.strerror}") from error
            self._alive[taskmaster_id] = process
        self._watch(taskmaster_id, lambda: self._reap(taskmaster_id, process))

    def alive(self) -> Collection[str]:
        """List children and adopted ones, also those of another scheduler here."""
        with self._lock:
            known = set(self._alive)
        for path in self._folder.glob(f"*{_SUFFIX}"):
            is_known = path.name.removesuffix(_SUFFIX) in known
            if not is_known and not self._adopt(path):
                # Its scheduler ended before it did.
                _delete_unlocked(path)
        with self._lock:
            return set(self._alive)

    def ended(self) -> Collection[str]:
        """List none: a process leaves nothing behind."""
        return ()

    def may_act(self, taskmaster_id: str) -> bool:
        """Return False: a living taskmaster holds its lock."""
        del taskmaster_id
        return False

    def was_disrupted(self, taskmaster_id: str) -> bool:
        """Return False: a machine takes none away."""
        del taskmaster_id
        return False

    def kill(self, taskmaster_id: str) -> None:
        """Send SIGKILL to the one process; wait for its end."""
        with self._lock:
            process = self._alive.get(taskmaster_id)
        if process is not None:
            process.kill()
            self._terminations.record(taskmaster_id, _format_exit_code(process.wait()))
        path = self._path(taskmaster_id)
        if not path.exists():
            return
        with path.open("rb") as file:
            _kill_holder(file)
        self._forget(taskmaster_id)

    def status_message(self, taskmaster_id: str) -> str:
        """Return how a child ended; of adopted ones nothing is known."""
        return self._terminations.message(taskmaster_id)

    def _path(self, taskmaster_id: str) -> Path:
        return self._folder / f"{taskmaster_id}{_SUFFIX}"

    def _adopt(self, path: Path) -> bool:
        """Watch a taskmaster that holds its lock; return False if the lock is free."""
        try:
            file = path.open("rb")
        except FileNotFoundError:  # it has just ended
            return False
        if not is_locked(file.fileno()):
            file.close()
            return False
        taskmaster_id = path.name.removesuffix(_SUFFIX)
        with self._lock:
            if taskmaster_id in self._alive:
                file.close()
                return True
            self._alive[taskmaster_id] = None

        def wait() -> None:
            with file:
                wait_unlocked(file.fileno())
            self._forget(taskmaster_id)

        self._watch(taskmaster_id, wait)
        return True

    def _watch(self, taskmaster_id: str, wait: Callable[[], None]) -> None:
        def watch() -> None:
            wait()
            self._changed()

        name = f"watch {taskmaster_id}"
        threading.Thread(target=watch, name=name, daemon=True).start()

    def _reap(self, taskmaster_id: str, process: "subprocess.Popen[bytes]") -> None:
        self._terminations.record(taskmaster_id, _format_exit_code(process.wait()))
        self._forget(taskmaster_id)

    def _forget(self, taskmaster_id: str) -> None:
        with self._lock:
            self._alive.pop(taskmaster_id, None)
        _delete_unlocked(self._path(taskmaster_id))


def _kill_holder(file: BinaryIO) -> None:
    """Kill the process that holds the lock of a file; wait for its end."""
    pause = threading.Event()
    while is_locked(file.fileno()):
        file.seek(0)
        fields = file.read().split()
        if fields:  # the holder's own pid, so it is no other process
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(fields[0]), signal.SIGKILL)
            wait_unlocked(file.fileno())
        else:  # it has just taken the lock, and writes its pid next
            pause.wait(_PID_PAUSE)


def _delete_unlocked(path: Path) -> None:
    """Delete the file of a taskmaster, unless another process of that name lives.

    Two schedulers may start one at the same time; the second process ends.
    """
    lock = FileLock(path)
    if path.exists() and lock.try_acquire():
        path.unlink(missing_ok=True)
        lock.release()


def _revision_of(environment: Mapping[str, str]) -> str:
    file = environment.get("TESK_CONFIG", "")
    settings = Path(file).read_bytes() if file else b""
    given = sorted(each for each in environment.items() if each[0].startswith("TESK_"))
    parts = [version("tesk-scheduler"), given, hashlib.sha256(settings).hexdigest()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:10]


def _format_exit_code(code: int) -> str:
    if code < 0:
        return f"it was killed by signal {-code}"
    return f"it ended with exit code {code}"
