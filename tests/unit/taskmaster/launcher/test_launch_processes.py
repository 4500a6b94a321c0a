"""The launcher as process 1: signals, descriptors, orphans."""

import fcntl
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from programs.waiting import eventually
from taskmasters.launcher import Launch, python

FORWARDED = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"]


@pytest.mark.parametrize("name", FORWARDED)
def test_signals_are_forwarded(binary: Path, name: str) -> None:
    code = f"""
import signal
signal.signal(signal.{name}, lambda *_: (print("got it"), exit(7)))
print("ready", flush=True)
while True:
    signal.pause()
"""
    with subprocess.Popen([binary, *python(code)], stdout=subprocess.PIPE) as launcher:
        assert launcher.stdout is not None
        assert launcher.stdout.readline() == b"ready\n"

        launcher.send_signal(signal.Signals[name])

        assert launcher.stdout.read() == b"got it\n"
        assert launcher.wait(60) == 7


def test_a_child_ended_by_a_forwarded_signal_gives_143(
    binary: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report"
    code = "import signal; print('ready', flush=True); signal.pause()"
    command: list[str | Path] = [binary, "--report", report, *python(code)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as launcher:
        assert launcher.stdout is not None
        launcher.stdout.readline()

        launcher.terminate()

        assert launcher.wait(60) == 143
    assert json.loads(report.read_text())["signal"] == 15


def test_the_child_starts_with_default_signals(launch: Launch) -> None:
    def spoil() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGALRM})
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    done = launch("--", "cat", "/proc/self/status", preexec_fn=spoil)

    lines = dict(line.split(":\t") for line in done.stdout.decode().splitlines())
    assert (int(lines["SigBlk"], 16), int(lines["SigIgn"], 16)) == (0, 0)


def test_the_child_inherits_no_descriptor_of_the_launcher(
    launch: Launch, tmp_path: Path
) -> None:
    source = tmp_path / "in"
    source.touch()

    done = launch(
        *("--stdin", source, "--stdout", tmp_path / "out", "--mark-stderr", "<"),
        *python("import os; print(sorted(os.listdir('/proc/self/fd'), key=int))"),
    )

    assert done.stdout == b"['0', '1', '2', '3']\n"  # 3 is the listing itself


def test_orphans_are_adopted_and_reaped(binary: Path) -> None:
    code = """
import os
told, tell = os.pipe()
if os.fork() == 0:
    middle = os.getpid()
    if os.fork() == 0:
        while os.getppid() == middle:  # its files are closed before it is gone
            os.sched_yield()
        os.write(tell, f"{os.getpid()} {os.getppid()}".encode())
    os._exit(0)
os.wait()
orphan, parent = map(int, os.read(told, 100).split())
while os.path.exists(f"/proc/{orphan}"):  # a zombie would stay for ever
    os.sched_yield()
print(parent)
"""
    with subprocess.Popen([binary, *python(code)], stdout=subprocess.PIPE) as launcher:
        output, _ = launcher.communicate(timeout=60)

    assert int(output) == launcher.pid
    assert launcher.returncode == 0


UNSHARE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")


@pytest.fixture
def first(binary: Path) -> Sequence[str | Path]:
    """Begin a command line that runs the launcher as process 1."""
    try:
        subprocess.run([*UNSHARE, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine makes no pid namespaces (unshare)")
    return [*UNSHARE, binary]


@pytest.fixture
def container(
    first: Sequence[str | Path], tmp_path: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the launcher as process 1; its command ends when its stdin does."""
    options = ("--report", str(tmp_path / "report"))
    command = [*first, *options, "--", "cat"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as outer:
        yield outer
        outer.kill()


def _child(pid: int) -> int:
    """Return the only child of a process, as soon as there is one."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return eventually(lambda: [int(each) for each in children.read_text().split()])[0]


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_child_that_had_ended_before_was_not_terminated(
    container: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    assert container.stdin is not None
    assert container.stdout is not None
    container.stdin.write(b"x")
    container.stdin.flush()
    container.stdout.read(1)  # the command is running
    launcher = _child(container.pid)
    command = _child(launcher)
    os.kill(launcher, signal.SIGSTOP)
    eventually(lambda: _state(launcher) == "T")
    container.stdin.close()
    eventually(lambda: _state(command) == "Z")

    os.kill(launcher, signal.SIGTERM)
    os.kill(launcher, signal.SIGCONT)

    assert container.wait(60) == 0
    assert json.loads((tmp_path / "report").read_text())["terminated"] is False


def test_a_child_stopped_from_outside_was_terminated(
    container: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    assert container.stdin is not None
    assert container.stdout is not None
    container.stdin.write(b"x")
    container.stdin.flush()
    container.stdout.read(1)

    os.kill(_child(container.pid), signal.SIGTERM)

    assert container.wait(60) == 143
    assert json.loads((tmp_path / "report").read_text())["terminated"] is True


def test_a_step_stopped_from_outside_while_it_waits_was_terminated(
    first: Sequence[str | Path], tmp_path: Path
) -> None:
    report = tmp_path / "report"
    turn = ("--turns", tmp_path, "--turn", "x0", "--after", "in", "--report", report)
    with subprocess.Popen([*first, *turn, "--", "true"]) as outer:
        eventually((tmp_path / "in.alive").exists)

        os.kill(_child(outer.pid), signal.SIGTERM)

        assert outer.wait(60) == 143
    told = json.loads(report.read_text())
    assert (told["terminated"], told["skipped"], told["exit_code"]) == (
        True,
        False,
        143,
    )


def test_a_step_stopped_from_outside_has_not_passed(
    first: Sequence[str | Path], tmp_path: Path
) -> None:
    report = tmp_path / "report"
    turn = ("--turns", tmp_path, "--turn", "x0", "--ignore-error", "--exit-zero")
    with subprocess.Popen(
        [*first, *turn, "--report", report, "--", "cat"], stdin=subprocess.PIPE
    ) as outer:
        eventually((tmp_path / "x0.passed").exists)
        launcher = _child(outer.pid)
        _child(launcher)

        os.kill(launcher, signal.SIGTERM)

        assert outer.wait(60) == 143  # not 0: nothing is to come after it
    assert not (tmp_path / "x0.passed").exists()


def test_a_step_has_not_passed_before_its_orphans_are_gone(
    first: Sequence[str | Path], tmp_path: Path
) -> None:
    lock, report = tmp_path / "lock", tmp_path / "report"
    os.mkfifo(report)  # the launcher stops there, its turn being over
    lock.touch()
    code = f"""
import fcntl, os, signal
fcntl.flock(os.open({str(lock)!r}, os.O_RDWR), fcntl.LOCK_EX)
for _ in range(20):
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.pause()
"""
    turn = ("--turns", tmp_path, "--turn", "x0", "--report", report)
    with subprocess.Popen([*first, *turn, *python(code)]) as outer:
        eventually((tmp_path / "x0.passed").exists)

        try:
            with lock.open("wb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # none of them has it
        except BlockingIOError:
            outer.kill()
            raise

        assert json.loads(report.read_text())["exit_code"] == 0
        assert outer.wait(60) == 0
