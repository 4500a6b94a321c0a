"""Runs of bubblewrap, killed in many ways; the rest is in tests/contract/engine."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.taskmaster_engine_harness import EngineHarness
from tesk_model.reasons import ReasonCode
from tesk_taskmaster.adapters.sandbox.bubblewrap import (
    SandboxUnavailableError,
    check_bubblewrap,
    parse_start_failure,
    write_arguments,
)
from tesk_taskmaster.adapters.sandbox.factory import open_sandbox_engine
from tesk_taskmaster.adapters.task_folders import TaskFolders
from tesk_taskmaster.ports import StepFailedError

# Starts one run as a taskmaster does, says so, and waits to be killed.
TASKMASTER = """
import os, sys, threading
from pathlib import Path
from fakes.taskmaster_engine_harness import EngineHarness
from tesk_taskmaster.adapters.task_folders import TaskFolders
from tesk_taskmaster.adapters.sandbox.factory import open_sandbox_engine
home = Path(sys.argv[1])
harness = EngineHarness(
    open_engine=lambda: open_sandbox_engine(TaskFolders(home), os.environ),
    home=home, image="x",
)
harness.start("sh", "-c", sys.argv[2], mounts=("/w",))
print("started", flush=True)
threading.Event().wait()
"""


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[EngineHarness]:
    folders = TaskFolders(tmp_path.resolve() / "home")
    try:
        open_sandbox_engine(folders, os.environ)
    except SandboxUnavailableError as error:
        pytest.skip(str(error))
    made = EngineHarness(
        open_engine=lambda: open_sandbox_engine(folders, os.environ),
        home=folders.home,
        image="x",
    )
    yield made
    made.engine.remove(made.attempt)


def let_another_start(home: Path, script: str) -> None:
    """Let another process start the first run, and end it with SIGKILL."""
    with subprocess.Popen(
        [sys.executable, "-c", TASKMASTER, home, script],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"started\n"
        other.kill()


def test_a_run_survives_its_taskmaster_and_tells_the_successor(
    harness: EngineHarness,
) -> None:
    fifo = harness.make_fifo("/w/go")
    run = harness.make_run("ignored: it is adopted", mounts=("/w",))
    let_another_start(harness.home, "echo once >>/w/runs; read x </w/go; exit 7")
    harness.engine.start(run, lambda _reason: None)
    assert harness.engine.wait(run, timedelta(0)) is None
    fifo.write_text("go\n")

    assert harness.finish(run).exit_code == 7
    assert (harness.volume / "w" / "runs").read_text() == "once\n"


def test_a_run_that_ended_unwatched_tells_its_exit_code(harness: EngineHarness) -> None:
    fifo = harness.make_fifo("/w/end")
    run = harness.make_run("ignored: it is adopted", mounts=("/w",))
    let_another_start(harness.home, "exec 3>/w/end; exit 9")
    fifo.read_text()  # until its last writer has ended

    assert harness.finish(run).exit_code == 9


def test_a_successor_stops_a_run(harness: EngineHarness) -> None:
    fifo = harness.make_fifo("/w/ready")
    run = harness.make_run("ignored: it is adopted", mounts=("/w",))
    let_another_start(
        harness.home, "trap '' TERM; exec 3>/w/ready; sleep 600; sleep 600"
    )
    with fifo.open("rb") as pipe:
        harness.engine.stop(run, timedelta(milliseconds=50))

        assert pipe.read() == b""
    assert harness.finish(run).exit_code == 137


BUSY = "i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done"


def test_what_a_command_and_its_children_used_is_known_from_the_last_look(
    harness: EngineHarness,
) -> None:
    fifos = [harness.make_fifo(f"/w/{name}") for name in ("ready", "go")]
    script = f"({BUSY}); echo >/w/ready; read x </w/go; exit 137"
    run = harness.start("sh", "-c", script, mounts=("/w",))
    fifos[0].read_text()
    assert harness.engine.wait(run, timedelta(0)) is None
    fifos[1].write_text("go\n")

    result = harness.finish(run)

    assert 0.02 < (result.cpu_seconds or 0) < 60
    assert 100_000 < (result.max_memory_bytes or 0) < 2**30
    assert result.code is ReasonCode.NONE  # no limit of memory was enforced


def test_what_a_command_used_that_nobody_looked_at_is_not_known(
    harness: EngineHarness,
) -> None:
    result = harness.finish(harness.start("true"))

    assert (result.cpu_seconds, result.max_memory_bytes) == (None, None)


def test_a_vanished_sandbox_is_lost_and_nothing_of_it_is_left(
    harness: EngineHarness,
) -> None:
    fifo = harness.make_fifo("/w/ready")
    run = harness.start("sh", "-c", "exec 3>/w/ready; exec sleep 600", mounts=("/w",))
    with fifo.open("rb") as pipe:
        os.kill(int((run.folder / "pid").read_text()), signal.SIGKILL)
        result = harness.finish(run)

        assert pipe.read() == b""
    assert result.lost
    assert "its end was not observed" in result.error


def test_a_sandbox_ends_with_its_leader_without_a_taskmaster(
    harness: EngineHarness,
) -> None:
    fifo = harness.make_fifo("/w/ready")
    run = harness.start("sh", "-c", "exec 3>/w/ready; exec sleep 600", mounts=("/w",))
    with fifo.open("rb") as pipe:
        os.kill(int((run.folder / "pid").read_text()), signal.SIGKILL)

        assert pipe.read() == b""


def test_a_sandbox_of_before_a_restart_is_lost(harness: EngineHarness) -> None:
    run = harness.make_run("true")
    (run.folder / "pid").write_text("1\n")  # another process has that number now
    (run.folder / "lock").touch()
    (run.folder / "status").write_text('{ "child-pid": 1 }\n')

    assert harness.finish(run).lost
    harness.engine.stop(run, timedelta(0))  # touches nobody


def test_secrets_of_the_environment_are_in_no_list_of_processes(
    harness: EngineHarness,
) -> None:
    harness.start("sleep", "600", env={"PASSWORD": "open-sesame"})

    lists = [
        path.read_bytes()
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if path.exists()
    ]

    assert not any(b"open-sesame" in words for words in lists)


def test_an_environment_cannot_add_options(harness: EngineHarness) -> None:
    run = harness.make_run("true", env={"A": "x\0--bind\0/\0/mnt"})

    with pytest.raises(StepFailedError, match="NUL"):
        harness.engine.start(run, lambda _reason: None)


READ_ONLY = ("/usr", "/etc/passwd", "/proc/sys/kernel/core_pattern", "/usr/bin/env")


@pytest.mark.parametrize("path", READ_ONLY)
def test_this_machine_cannot_be_changed(harness: EngineHarness, path: str) -> None:
    # Asked, not tried: a test must not change the machine if this fails.
    assert harness.complete("test", "-w", path).result.exit_code == 1


def test_a_command_has_no_capabilities(harness: EngineHarness) -> None:
    status = harness.complete("cat", "/proc/self/status").stdout

    assert b"CapEff:\t0000000000000000" in status
    assert b"CapBnd:\t0000000000000000" in status


@pytest.mark.parametrize("path", ["/etc/shadow", "/etc/ssl/private", "/etc/ssh"])
def test_secrets_of_this_machine_are_not_there(
    harness: EngineHarness, path: str
) -> None:
    assert harness.complete("test", "-e", path).result.exit_code == 1


def test_an_opened_directory_of_many_programs_still_works(
    harness: EngineHarness,
) -> None:
    file = harness.volume / "usr/bin/mine"
    file.parent.mkdir(parents=True)
    file.write_text("#!/bin/sh\necho mine\n")
    file.chmod(0o755)

    done = harness.complete(
        "sh", "-c", "mine; env true && echo ok", files=("/usr/bin/mine",)
    )

    assert (done.stdout, done.stderr) == (b"mine\nok\n", b"")


@pytest.mark.parametrize("mounts", [(), ("/tmp",)], ids=["alone", "inside a mount"])
def test_more_folders_of_programs_are_shown(
    mounts: tuple[str, ...], tmp_path: Path, harness: EngineHarness
) -> None:
    programs = tmp_path.resolve() / "env"
    (programs / "bin").mkdir(parents=True)
    (programs / "bin" / "mine").write_text("#!/bin/sh\necho mine\n")
    (programs / "bin" / "mine").chmod(0o755)
    harness.engine = open_sandbox_engine(
        TaskFolders(harness.home), os.environ, programs=(str(programs),)
    )

    done = harness.complete(
        "sh", "-c", f"mine && ! touch {programs}/new 2>/dev/null", mounts=mounts
    )

    assert (done.result.exit_code, done.stdout) == (0, b"mine\n")


def test_a_folder_of_programs_that_is_missing_stops_no_command(
    tmp_path: Path, harness: EngineHarness
) -> None:
    harness.engine = open_sandbox_engine(
        TaskFolders(harness.home), os.environ, programs=(f"{tmp_path.resolve()}/gone",)
    )

    done = harness.complete("true", mounts=("/tmp",))

    assert (done.result.exit_code, done.result.error) == (0, "")


def test_a_collected_link_stays_a_link(harness: EngineHarness) -> None:
    harness.complete("ln", "-s", "/etc/shadow", "/l.txt", collect=("/*.txt",))

    assert (harness.volume / "l.txt").is_symlink()


WORDS = {
    "not found": (b"bwrap: execvp x: No such file or directory\n", 127),
    "a name with colons and line breaks": (
        b"bwrap: execvp a: b\nc: Not a directory",
        127,
    ),
    "not executable": (b"bwrap: execvp ./x: Permission denied\n", 126),
    "no program": (b"bwrap: execvp ./x: Exec format error\n", 126),
}


@pytest.mark.parametrize(("said", "code"), WORDS.values(), ids=WORDS)
def test_exec_failures_are_understood(said: bytes, code: int) -> None:
    failure = parse_start_failure(said, "x")

    assert failure is not None
    assert failure.exit_code == code


def test_other_failures_are_not_taken_for_the_commands() -> None:
    assert (
        parse_start_failure(b"bwrap: Can't mount proc: Operation not permitted\n", "x")
        is None
    )


def test_a_machine_without_namespaces_gets_a_remedy(tmp_path: Path) -> None:
    program = tmp_path / "bwrap"
    program.write_text(
        "#!/bin/sh\necho 'No permissions to create new namespace' >&2; exit 1\n"
    )
    program.chmod(0o755)

    with pytest.raises(SandboxUnavailableError) as raised:
        check_bubblewrap(program)

    for words in ("No permissions", "unprivileged_userns", "apparmor", "podman"):
        assert words in str(raised.value)


def test_a_machine_without_network_namespaces_gets_the_setting(
    tmp_path: Path,
) -> None:
    program = tmp_path / "bwrap"
    program.write_text(
        "#!/bin/sh\ncase \"$*\" in *unshare-net*) echo 'loopback: Failed' >&2; "
        "exit 1;; esac\n"
    )
    program.chmod(0o755)
    folders = TaskFolders(tmp_path)

    with pytest.raises(SandboxUnavailableError, match=r"loopback.*TESK_NETWORK=host"):
        open_sandbox_engine(folders, {"PATH": str(tmp_path)})
    open_sandbox_engine(folders, {"PATH": str(tmp_path)}, network="host")


def test_nul_never_reaches_bubblewrap() -> None:
    with pytest.raises(ValueError, match="NUL"):
        write_arguments(["--setenv", "A", "x\0--bind"])


def test_links_for_directories_of_the_root_change_nothing_outside(
    harness: EngineHarness,
) -> None:
    outside = harness.home / "outside"
    outside.mkdir(mode=0o700)
    script = 'rm -rf /tmp /var; ln -s "$1" /tmp; ln -s "$1" /var; echo r >/r.txt'

    done = harness.complete("sh", "-c", script, "sh", str(outside), collect=("/r.txt",))

    assert (done.result.exit_code, done.result.error) == (0, "")
    assert (harness.volume / "r.txt").read_text() == "r\n"
    assert outside.stat().st_mode & 0o7777 == 0o700
    assert list(outside.iterdir()) == []
