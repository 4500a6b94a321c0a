"""What every engine promises, whatever it is made of."""

import os
import threading
from datetime import timedelta

import pytest

from fakes.taskmaster_engine_kit import GRACE, EngineKit
from programs.waiting import eventually
from tesk_taskmaster.ports import StepFailedError

NOW = timedelta(0)
ALL_BYTES = bytes(range(256)) * 1024


ARGUMENTS = {
    "empty ones": ("a", "", "b"),
    "blanks and quotes": ("a b", "'", '"', "\\"),
    "line breaks": ("a\nb\n", "\t"),
    "what shells and Kubernetes expand": ("$(HOME)", "$HOME", "`id`", "*", "~"),
    "unicode": ("wörk", "\N{SNOWMAN}"),
    "options": ("--", "-n", "--bind"),
}


@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS)
def test_arguments_are_literal(kit: EngineKit, arguments: tuple[str, ...]) -> None:
    done = kit.complete("printf", "%s|", *arguments)

    assert done.stdout == "".join(f"{word}|" for word in arguments).encode()
    assert done.result.exit_code == 0


def test_the_environment_is_the_executors(kit: EngineKit) -> None:
    env = {"GREETING": "a\nb $(HOME) 'c'", "EMPTY": "", "ÜML": "ü"}

    done = kit.complete("env", env=env)

    for name, value in env.items():
        assert f"{name}={value}\n".encode() in done.stdout


def test_the_environment_of_tesk_does_not_leak(
    kit: EngineKit,
) -> None:
    done = kit.complete("sh", "-c", "env; cat /proc/1/environ /proc/1/cmdline")

    for name in ("TESK_", "AWS_", "PYTEST_"):
        assert name.encode() not in done.stdout
    assert str(kit.home).encode() not in done.stdout


EXITS = {
    "success": (("true",), 0),
    "a code of its own": (("sh", "-c", "exit 42"), 42),
    "killed by a signal": (("sh", "-c", "kill -9 $$"), 137),
    "not found in PATH": (("no-such-program",), 127),
    "no such file": (("/no/such/program",), 127),
    "not executable": (("/etc/passwd",), 126),
    "a directory": (("/etc",), 126),
}


@pytest.mark.parametrize(("command", "code"), EXITS.values(), ids=EXITS)
def test_exit_codes(kit: EngineKit, command: tuple[str, ...], code: int) -> None:
    done = kit.complete(*command)

    assert (done.result.exit_code, done.result.error) == (code, "")


def test_a_command_that_is_not_found_is_named(kit: EngineKit) -> None:
    done = kit.complete("no-such-program", "x")

    assert b"no-such-program: not found" in done.stderr


def test_times_are_told(kit: EngineKit) -> None:
    result = kit.complete("true").result

    assert result.started_at is not None
    assert result.ended_at is not None
    assert result.started_at <= result.ended_at


def test_streams_are_kept_apart(kit: EngineKit) -> None:
    done = kit.complete("sh", "-c", "echo out; echo err >&2")

    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")


def test_tails_hold_the_end_of_long_streams(kit: EngineKit) -> None:
    done = kit.complete(
        "sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"
    )

    assert len(done.stdout) <= 64 * 1024
    assert done.stdout.endswith(b"line 19999\n")


def test_redirects_are_exact(kit: EngineKit) -> None:
    (kit.volume / "w").mkdir()
    (kit.volume / "w" / "in").write_bytes(ALL_BYTES)

    done = kit.complete(
        "sh",
        "-c",
        "cat; echo err >&2",
        mounts=("/w",),
        stdin="/w/in",
        stdout="/w/new/dir/out",
        stderr="/w/err",
    )

    assert (kit.volume / "w/new/dir/out").read_bytes() == ALL_BYTES
    assert (kit.volume / "w/err").read_bytes() == b"err\n"
    assert done.stdout == ALL_BYTES[-64 * 1024 :]
    assert done.stderr == b"err\n"


def test_stdout_and_stderr_may_share_a_file(kit: EngineKit) -> None:
    kit.complete(
        "sh",
        "-c",
        "echo a; echo b >&2; echo c",
        mounts=("/w",),
        stdout="/w/log",
        stderr="/w/log",
    )

    assert (kit.volume / "w/log").read_bytes() == b"a\nb\nc\n"


OPENED_AGAIN = {
    "stdout": ("echo one and more; echo two > /dev/stdout; echo three", "stdout"),
    "stderr": ("exec >&2; echo one and more; echo two | tee /dev/stderr > /dev/null; echo three", "stderr"),
}  # fmt: skip


@pytest.mark.parametrize("path", [None, "/w/file"], ids=["log", "redirected"])
@pytest.mark.parametrize(("script", "stream"), OPENED_AGAIN.values(), ids=OPENED_AGAIN)
def test_a_stream_that_is_opened_again_loses_nothing(
    kit: EngineKit, script: str, stream: str, path: str | None
) -> None:
    redirect = {stream: path} if path else {}

    done = kit.complete("sh", "-c", script, mounts=("/w",), **redirect)

    want = b"one and more\ntwo\nthree\n"
    assert getattr(done, stream) == want
    assert path is None or (kit.volume / "w/file").read_bytes() == want


def test_a_process_left_behind_holds_nothing_up(kit: EngineKit) -> None:
    done = kit.complete(
        *("sh", "-c", "sleep 1000 & echo last words"),
        mounts=("/w",),
        stdout="/w/out",
    )

    assert done.result.exit_code == 0
    assert (kit.volume / "w/out").read_bytes() == b"last words\n"


@pytest.mark.parametrize("path", [None, "/w/out"], ids=["log", "redirected"])
def test_output_before_a_kill_is_kept(kit: EngineKit, path: str | None) -> None:
    done = kit.complete(
        *("sh", "-c", "yes | head -n 30000; kill -KILL $$"), mounts=("/w",), stdout=path
    )

    assert done.result.exit_code == 137
    assert done.stdout == b"y\n" * 30000


def test_a_redirect_is_seen_while_it_is_written(kit: EngineKit) -> None:
    fifo = kit.make_fifo("/w/fifo")
    run = kit.start(
        *("sh", "-c", "echo now; echo ready > /w/fifo; read -r go < /w/fifo"),
        mounts=("/w",),
        stdout="/w/out",
    )
    kit.wait_for_line(fifo)

    eventually(lambda: kit.engine.tails(run).stdout == b"now\n")

    fifo.write_text("go\n", "utf-8")
    assert kit.finish(run).exit_code == 0


def test_ends_of_lines_are_exact(kit: EngineKit) -> None:
    done = kit.complete("printf", "a\r\nb\r\r\n50%%\r60%%\r")

    assert done.stdout == b"a\r\nb\r\r\n50%\r60%\r"


def test_a_missing_stdin_is_the_tasks_failure(kit: EngineKit) -> None:
    done = kit.complete("cat", mounts=("/w",), stdin="/w/none")

    assert done.result.exit_code == 125
    assert done.result.error == ""
    assert b"/w/none" in done.stderr


def test_redirects_do_not_follow_links_out_of_the_task(kit: EngineKit) -> None:
    outside = kit.home / "outside"
    outside.write_text("mine")
    (kit.volume / "w").mkdir()
    (kit.volume / "w" / "link").symlink_to(outside)

    kit.complete("echo", "theirs", mounts=("/w",), stdout="/w/link")

    assert outside.read_text() == "mine"


def test_a_mount_that_an_executor_replaced_by_a_link_is_refused(
    kit: EngineKit,
) -> None:
    run = kit.make_run("ls", "/w", mounts=("/w",))
    (kit.volume / "w").rmdir()
    (kit.volume / "w").symlink_to("/etc")

    with pytest.raises(StepFailedError, match="replaced by a link"):
        kit.engine.start(run, lambda _reason: None)


def test_work_is_shared_through_mounts(kit: EngineKit) -> None:
    kit.complete("sh", "-c", "echo x >/w/a", mounts=("/w",))

    assert kit.complete("cat", "/w/a", mounts=("/w",)).stdout == b"x\n"


NAMES = {
    "blanks and letters of any language": "/wörk dir/\N{SNOWMAN}",
    "a colon": "/work/a:b",
    "a comma": "/work/a,b",
    "quotes and what options look like": "/work/\"a'=b\\c",
}


@pytest.mark.parametrize("path", NAMES.values(), ids=NAMES)
def test_a_mount_may_be_named_with(kit: EngineKit, path: str) -> None:
    kit.complete("sh", "-c", 'echo x >"$1/f"', "sh", path, mounts=(path,))

    assert (kit.volume / path.lstrip("/") / "f").read_text() == "x\n"


def test_single_files_do_not_hide_programs(kit: EngineKit) -> None:
    for path in ("usr/local/in.txt", "in.txt", "etc/app.conf"):
        file = kit.volume / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{path} ")
    files = ("/usr/local/in.txt", "/in.txt", "/etc/app.conf")

    done = kit.complete(
        "sh",
        "-c",
        f"cat {' '.join(files)}; ls -d /usr/local/bin /etc/passwd",
        files=files,
    )

    assert done.stdout == (
        b"usr/local/in.txt in.txt etc/app.conf /etc/passwd\n/usr/local/bin\n"
    )


def test_files_outside_mounts_are_collected(kit: EngineKit) -> None:
    kit.complete(
        "sh",
        "-c",
        "echo r >/result.txt; echo a >/usr/local/a.log; mkdir -p /opt/o/p; echo d >/opt/o/p/q; exit 3",
        collect=("/result.txt", "/usr/local/*.log", "/opt/o", "/none"),
    )

    assert (kit.volume / "result.txt").read_text() == "r\n"
    assert (kit.volume / "usr/local/a.log").read_text() == "a\n"
    assert (kit.volume / "opt/o/p/q").read_text() == "d\n"
    assert not (kit.volume / "none").exists()


def test_a_redirect_outside_mounts_is_seen_and_collected(kit: EngineKit) -> None:
    kit.complete(
        "sh", "-c", "echo a; cat /out.txt >&2", stdout="/out.txt", collect=("/out.txt",)
    )

    assert (kit.volume / "out.txt").read_text() == "a\n"


def test_collecting_does_not_touch_what_is_mounted(kit: EngineKit) -> None:
    (kit.volume / "in.txt").write_text("input")

    kit.complete("sh", "-c", "echo o >/o.txt", files=("/in.txt",), collect=("/*.txt",))

    assert (kit.volume / "in.txt").read_text() == "input"
    assert (kit.volume / "o.txt").read_text() == "o\n"


WORKDIRS = ("/", "/tmp", "/w", "/w/new/one", "/not/there/yet")


@pytest.mark.parametrize("workdir", WORKDIRS)
def test_the_workdir_is_made_and_writable(kit: EngineKit, workdir: str) -> None:
    done = kit.complete("sh", "-c", "pwd; echo x >f", mounts=("/w",), workdir=workdir)

    assert done.stdout.decode().strip() == workdir
    assert done.result.exit_code == 0


def test_tmp_is_private_and_empty(kit: EngineKit) -> None:
    kit.complete("sh", "-c", "echo x >/tmp/f; mkdir /tmp/conda")

    assert kit.complete("ls", "-A", "/tmp").stdout == b""


def test_waiting_is_bounded(kit: EngineKit) -> None:
    run = kit.start("sleep", "600")

    assert kit.engine.wait(run, timedelta(milliseconds=20)) is None


def test_output_is_seen_while_it_runs(kit: EngineKit) -> None:
    fifo = kit.make_fifo("/w/pipe")
    run = kit.start(
        "sh", "-c", "echo early; echo ready >/w/pipe; sleep 600", mounts=("/w",)
    )
    kit.wait_for_line(fifo)

    seen = b""
    while not seen:  # an engine may hand on output with a delay
        seen = kit.engine.tails(run).stdout
        kit.engine.wait(run, timedelta(milliseconds=20))
    assert seen == b"early\n"


def test_start_adopts_what_runs(kit: EngineKit) -> None:
    fifo = kit.make_fifo("/w/pipe")
    run = kit.start(
        "sh",
        "-c",
        "echo x >>/w/runs; echo ready >/w/pipe; exec sleep 600",
        mounts=("/w",),
    )
    kit.open_engine().start(run, lambda _reason: None)
    kit.wait_for_line(fifo)
    kit.engine.stop(run, GRACE)

    assert kit.finish(run).exit_code in (137, 143)
    assert (kit.volume / "w" / "runs").read_text() == "x\n"


def test_start_adopts_what_has_ended(kit: EngineKit) -> None:
    run = kit.start("sh", "-c", "echo x >>/w/runs; exit 5", mounts=("/w",))
    kit.finish(run)
    successor = kit.open_engine()
    successor.start(run, lambda _reason: None, has_started=True)

    result = successor.wait(run, timedelta(seconds=30))

    assert result is not None
    assert result.exit_code == 5
    assert (kit.volume / "w" / "runs").read_text() == "x\n"


def test_a_started_executor_without_traces_is_lost(kit: EngineKit) -> None:
    run = kit.make_run("sh", "-c", "echo x >>/w/runs", mounts=("/w",))

    with pytest.raises(StepFailedError, match="lost: ") as failure:
        kit.engine.start(run, lambda _reason: None, has_started=True)

    assert failure.value.lost
    assert not (kit.volume / "w" / "runs").exists()


def test_the_result_can_be_read_again(kit: EngineKit) -> None:
    for command in (("false",), ("no-such-program",)):
        run = kit.start(*command)
        first = kit.finish(run)
        again = kit.open_engine().wait(run, NOW)

        assert again is not None
        assert again.exit_code == first.exit_code


def test_stop_ends_a_command_by_sigterm(kit: EngineKit) -> None:
    fifo = kit.make_fifo("/w/pipe")
    run = kit.start(
        "sh",
        "-c",
        "trap 'echo bye; exit 9' TERM; echo ready >/w/pipe; while :; do sleep 600 & wait; done",
        mounts=("/w",),
    )
    kit.wait_for_line(fifo)

    kit.engine.stop(run, timedelta(seconds=30))

    assert kit.finish(run).exit_code == 9
    assert kit.engine.tails(run).stdout == b"bye\n"


def test_stop_ends_a_command_that_ignores_sigterm(kit: EngineKit) -> None:
    fifo = kit.make_fifo("/w/pipe")
    run = kit.start(
        "sh",
        "-c",
        "trap '' TERM; echo ready >/w/pipe; sleep 600; sleep 600",
        mounts=("/w",),
    )
    kit.wait_for_line(fifo)

    kit.engine.stop(run, timedelta(milliseconds=100))

    result = kit.finish(run)
    assert (result.exit_code, result.error) == (137, "")
    assert result.ended_at is not None


def test_stop_straight_after_start_leaves_nothing(kit: EngineKit) -> None:
    run = kit.start("sleep", "600")
    kit.engine.stop(run, GRACE)

    assert kit.finish(run).exit_code in (137, 143)


def test_stop_of_what_has_ended_changes_nothing(kit: EngineKit) -> None:
    done = kit.complete("sh", "-c", "exit 4")
    kit.engine.stop(done.run, GRACE)

    assert kit.finish(done.run).exit_code == 4


def test_stop_of_what_was_never_started_does_nothing(kit: EngineKit) -> None:
    kit.engine.stop(kit.make_run("true"), GRACE)


def test_a_stop_wakes_who_waits(kit: EngineKit) -> None:
    run = kit.start("sleep", "600")
    stopper = threading.Thread(target=kit.engine.stop, args=(run, GRACE))
    stopper.start()

    assert kit.finish(run).exit_code in (137, 143)
    stopper.join()


def test_remove_ends_what_runs(kit: EngineKit) -> None:
    fifo = kit.make_fifo("/w/pipe")
    kit.start("sh", "-c", "echo ready >/w/pipe; exec sleep 600", mounts=("/w",))
    kit.wait_for_line(fifo)
    writer = kit.start("sh", "-c", "exec 3>/w/pipe; sleep 600", mounts=("/w",))
    with fifo.open("rb") as pipe:
        kit.open_engine().remove(kit.attempt)

        assert pipe.read() == b""  # the end of file: its writer is gone
    assert list(kit.engine.attempts()) == []
    assert writer.attempt == kit.attempt


def test_background_processes_end_with_their_command(kit: EngineKit) -> None:
    fifo = kit.make_fifo("/w/pipe")
    run = kit.start(
        "sh",
        "-c",
        "(trap '' TERM HUP; exec 3>/w/pipe; echo ready >&3; sleep 600) & read x </w/pipe",
        mounts=("/w",),
    )
    kit.finish(run)

    with pytest.raises(OSError, match="No such device"):  # ENXIO: nobody reads it
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    assert os.read(descriptor, 10) == b""  # and nobody writes
    os.close(descriptor)


def test_removing_nothing_is_no_error(kit: EngineKit) -> None:
    kit.engine.remove(kit.attempt)
    kit.engine.remove(kit.attempt)
