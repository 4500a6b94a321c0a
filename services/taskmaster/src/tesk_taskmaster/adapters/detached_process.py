"""Runs a process that outlives the taskmaster, and reads its exit code later.

Each has a folder of its own. Its leader is ``/bin/sh`` with a constant script:
it writes its pid, runs the command, writes the exit code. Measured, that costs
1 ms and 0.5 MiB, less than anything that would have to start Python. A lock
(flock) on the folder is inherited by what belongs to the process, so the kernel
tells whether anything of it is left, even after pids were reused.

| file | meaning |
|---|---|
| ``lock`` | locked while anything of the process lives |
| ``pid`` | the leader was started |
| ``exit`` | how the command ended, and which copies failed; a dot before |
| ``stopped`` | TESK stopped it |
| ``gate`` | a pipe: the command waits for a byte from it; see ``LaunchSpec.gated`` |
| ``life`` | a pipe that only the leader of such a command holds open for writing |
"""

import contextlib
import fcntl
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

from tesk_runtime.file_lock import is_locked

# "trap :" and not "trap ''": the leader survives a SIGTERM to its group, the
# command gets the default action. The file of the end is overwritten, since a
# full disk would have no room for a new one.
_BEGIN = 'trap : TERM INT HUP; echo $$ >"$0/pid"; printf . >"$0/exit"; '
_COMMAND = '"$@"; e=$?; '
_END = 'echo $e 1<>"$0/exit"; exit 0'
_POLL_SECONDS = 0.005
GATE_FD = (
    8  # a single digit, as all that a shell redirects; its copies are closed by then
)
_GATED = f'exec 9<>"$0/life"; "$@" {GATE_FD}<>"$0/gate" 9>&-; e=$?; '


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessExit:
    """The end of a detached process.

    Attributes:
        code: Exit code of the command, 128+n for signal n; None if it was not
            recorded (killed with its leader, machine restarted).
        failed_copies: Which of ``LaunchSpec.copies`` failed.
    """

    code: int | None
    failed_copies: tuple[int, ...] = ()
    started_at: datetime | None
    ended_at: datetime | None
    stopped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSpec:
    """Specification of a detached process.

    Attributes:
        environ: The whole environment.
        streams: Descriptors for stdin, stdout and stderr.
        pass_fds: More descriptors that the process inherits; ``arguments`` gets
            their numbers.
        copies: Pairs of descriptors: the first is copied to the second until its
            end, which is waited for. At most two.
        arguments: Builds the command line from the numbers under which the
            process has the lock and then each of ``pass_fds``.
        gated: The command waits for a byte from descriptor ``GATE_FD``, which never
            reaches its end; ``DetachedProcess.open_gate`` sends the byte.
    """

    environ: Mapping[str, str]
    streams: tuple[int, int, int]
    pass_fds: tuple[int, ...]
    copies: tuple[tuple[int, int], ...] = ()
    arguments: Callable[[int, Sequence[int]], Sequence[str]]
    gated: bool = False


class DetachedProcess:
    """The process of one folder; found again by that folder alone."""

    def __init__(self, folder: Path) -> None:
        """Refer to the process of ``folder``, which need not exist yet."""
        self.folder = folder
        self._pid: int | None = None  # of a leader that is our own child

    def was_started(self) -> bool:
        """Tell whether it was ever started."""
        return (self.folder / "pid").exists() or self.is_alive()

    def is_alive(self) -> bool:
        """Tell whether anything of it lives."""
        try:
            descriptor = os.open(self.folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return is_locked(descriptor)
        finally:
            os.close(descriptor)

    def start(self, launch: LaunchSpec) -> None:
        """Start it in the folder, which exists.

        Raises:
            OSError: It cannot be started.
        """
        with contextlib.ExitStack() as stack:
            lock = os.open(
                self.folder / "lock", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            stack.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            given = [*launch.streams, lock, *launch.pass_fds, *chain(*launch.copies)]
            actions: list[tuple[int, int, int]] = []
            for number, descriptor in enumerate(given):
                # Copies above all targets first, so that none overwrites a source.
                high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, len(given))
                stack.callback(os.close, high)
                actions.append((os.POSIX_SPAWN_DUP2, high, number))
            numbers = range(4, 4 + len(launch.pass_fds))
            command = launch.arguments(3, numbers)
            if launch.gated:
                for name in ("gate", "life"):
                    os.mkfifo(self.folder / name, 0o600)
            copies = range(numbers.stop, len(given))
            script = _leader(numbers, copies, _GATED if launch.gated else _COMMAND)
            self._pid = os.posix_spawn(
                "/bin/sh",
                ["sh", "-c", script, str(self.folder), *command],
                launch.environ,
                file_actions=actions,
                setsid=True,
                setsigmask=[],
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
            )

    def open_gate(self) -> None:
        """Let a gated command begin; no effect if it has begun."""
        with contextlib.suppress(OSError):  # it has ended
            gate = os.open(self.folder / "gate", os.O_WRONLY | os.O_NONBLOCK)
            try:
                os.write(gate, b"\n")
            finally:
                os.close(gate)

    def reset(self) -> None:
        """Remove its files, so that it can be started anew; it has ended."""
        for name in ("pid", "exit", "gate", "life"):
            (self.folder / name).unlink(missing_ok=True)

    def wait(self, timeout: timedelta) -> ProcessExit | None:
        """Wait for the end of the leader; None if it still runs."""
        pid = self._leader(timeout)
        if pid is None:
            return None if self.is_alive() else self._exit()
        with contextlib.suppress(ProcessLookupError), _pidfd(pid) as descriptor:
            if pid == self._pid or self._is_leader(pid):
                poll = select.poll()
                poll.register(descriptor, select.POLLIN)
                if not poll.poll(timeout.total_seconds() * 1000):
                    return None
        self._reap()
        return self._exit()

    def signal_group(self, number: int) -> None:
        """Send a signal to the process group of the leader."""
        pid = self._leader(timedelta(0))
        # While the lock is held, no other group can have got this number.
        if pid is not None and self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)

    def mark_stopped(self) -> None:
        """Record that TESK stops it."""
        (self.folder / "stopped").touch()

    def is_stopped(self) -> bool:
        """Tell whether TESK stopped it."""
        return (self.folder / "stopped").exists()

    def kill(self, more: Callable[[], None] = lambda: None) -> None:
        """Kill all of it and return when nothing is left.

        Args:
            more: Kills the processes that have left the process group.
        """
        pause = threading.Event()
        while self.is_alive():
            self.signal_group(signal.SIGKILL)
            more()
            pause.wait(
                _POLL_SECONDS
            )  # SIGKILL takes no longer, and there is no event to wait for
        self._reap()

    def _reap(self) -> None:
        """Leave no zombie; another thread may have been faster."""
        pid, self._pid = self._pid, None
        if pid is not None:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)

    def _leader(self, timeout: timedelta) -> int | None:
        """Return the leader's pid; wait for it to be written if it just started."""
        if self._pid is not None:
            return self._pid
        ends = time.monotonic() + timeout.total_seconds()
        pause = threading.Event()
        while True:
            text = _read(self.folder / "pid")
            if text.endswith("\n"):
                return int(text)
            if not self.is_alive() or time.monotonic() >= ends:
                return None
            pause.wait(_POLL_SECONDS)

    def _is_leader(self, pid: int) -> bool:
        """Tell whether ``pid`` is still the leader and not a later process."""
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return os.fsencode(self.folder) in arguments

    def _exit(self) -> ProcessExit:
        text = _read(self.folder / "exit")
        is_written = text.endswith("\n")
        numbers = [int(word) for word in text.split()] if is_written else []
        return ProcessExit(
            code=numbers[0] if numbers else None,
            failed_copies=tuple(numbers[1:]),
            started_at=_modified(self.folder / "pid"),
            ended_at=_modified(self.folder / ("exit" if is_written else "stopped")),
            stopped=self.is_stopped(),
        )


def _leader(pass_fds: Sequence[int], copies: Sequence[int], command: str) -> str:
    """Return the shell script of the leader.

    A copy is a ``cat``, which is small and starts in a millisecond; signals to the
    group do not end it before the command.

    Args:
        pass_fds: Descriptors for the command alone.
        copies: In turn, where a copy reads and where it writes.
        command: The part that runs the command.
    """
    script, ends = _BEGIN, ""
    shut = "".join(f" {number}>&-" for number in copies)
    private = shut + "".join(f" {number}>&-" for number in pass_fds)
    for index, (source, target) in enumerate(
        zip(copies[::2], copies[1::2], strict=True)
    ):
        script += (
            f"(trap '' TERM INT HUP; exec cat <&{source} >&{target} 2>/dev/null"
            f"{private}) & c{index}=$!; "
        )
        ends += f'wait $c{index} || e="$e {index}"; '
    if copies:
        script += f"exec{shut}; "
        ends = f"trap '' TERM INT HUP; exec >/dev/null 2>&1; {ends}"
    return script + command + ends + _END


@contextlib.contextmanager
def _pidfd(pid: int) -> Iterator[int]:
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        return ""


def _modified(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:
        return None
