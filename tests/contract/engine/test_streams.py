"""Every engine keeps the streams of commands exact, to files and for the log."""

from datetime import timedelta

import pytest

from fakes.taskmaster_engine_harness import EngineHarness
from programs.waiting import eventually

ALL_BYTES = bytes(range(256)) * 1024


def test_streams_are_kept_apart(harness: EngineHarness) -> None:
    done = harness.complete("sh", "-c", "echo out; echo err >&2")

    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")


def test_tails_hold_the_end_of_long_streams(harness: EngineHarness) -> None:
    done = harness.complete(
        "sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"
    )

    assert len(done.stdout) <= 64 * 1024
    assert done.stdout.endswith(b"line 19999\n")


def test_redirects_are_exact(harness: EngineHarness) -> None:
    (harness.volume / "w").mkdir()
    (harness.volume / "w" / "in").write_bytes(ALL_BYTES)

    done = harness.complete(
        "sh",
        "-c",
        "cat; echo err >&2",
        mounts=("/w",),
        stdin="/w/in",
        stdout="/w/new/dir/out",
        stderr="/w/err",
    )

    assert (harness.volume / "w/new/dir/out").read_bytes() == ALL_BYTES
    assert (harness.volume / "w/err").read_bytes() == b"err\n"
    assert done.stdout == ALL_BYTES[-64 * 1024 :]
    assert done.stderr == b"err\n"


def test_stdout_and_stderr_may_share_a_file(harness: EngineHarness) -> None:
    harness.complete(
        "sh",
        "-c",
        "echo a; echo b >&2; echo c",
        mounts=("/w",),
        stdout="/w/log",
        stderr="/w/log",
    )

    assert (harness.volume / "w/log").read_bytes() == b"a\nb\nc\n"


OPENED_AGAIN = {
    "stdout": ("echo one and more; echo two > /dev/stdout; echo three", "stdout"),
    "stderr": ("exec >&2; echo one and more; echo two | tee /dev/stderr > /dev/null; echo three", "stderr"),
}  # fmt: skip


@pytest.mark.parametrize("path", [None, "/w/file"], ids=["log", "redirected"])
@pytest.mark.parametrize(("script", "stream"), OPENED_AGAIN.values(), ids=OPENED_AGAIN)
def test_a_stream_that_is_opened_again_loses_nothing(
    harness: EngineHarness, script: str, stream: str, path: str | None
) -> None:
    redirect = {stream: path} if path else {}

    done = harness.complete("sh", "-c", script, mounts=("/w",), **redirect)

    want = b"one and more\ntwo\nthree\n"
    assert getattr(done, stream) == want
    assert path is None or (harness.volume / "w/file").read_bytes() == want


def test_a_background_process_does_not_delay_the_end(harness: EngineHarness) -> None:
    done = harness.complete(
        *("sh", "-c", "sleep 1000 & echo last words"),
        mounts=("/w",),
        stdout="/w/out",
    )

    assert done.result.exit_code == 0
    assert (harness.volume / "w/out").read_bytes() == b"last words\n"


@pytest.mark.parametrize("path", [None, "/w/out"], ids=["log", "redirected"])
def test_output_before_a_kill_is_kept(harness: EngineHarness, path: str | None) -> None:
    done = harness.complete(
        *("sh", "-c", "yes | head -n 30000; kill -KILL $$"), mounts=("/w",), stdout=path
    )

    assert done.result.exit_code == 137
    assert done.stdout == b"y\n" * 30000


def test_a_redirect_is_seen_while_it_is_written(harness: EngineHarness) -> None:
    fifo = harness.make_fifo("/w/fifo")
    run = harness.start(
        *("sh", "-c", "echo now; echo ready > /w/fifo; read -r go < /w/fifo"),
        mounts=("/w",),
        stdout="/w/out",
    )
    harness.wait_for_line(fifo)

    eventually(lambda: harness.engine.tails(run).stdout == b"now\n")

    fifo.write_text("go\n", "utf-8")
    assert harness.finish(run).exit_code == 0


def test_ends_of_lines_are_exact(harness: EngineHarness) -> None:
    done = harness.complete("printf", "a\r\nb\r\r\n50%%\r60%%\r")

    assert done.stdout == b"a\r\nb\r\r\n50%\r60%\r"


def test_a_missing_stdin_is_the_tasks_failure(harness: EngineHarness) -> None:
    done = harness.complete("cat", mounts=("/w",), stdin="/w/none")

    assert done.result.exit_code == 125
    assert done.result.error == ""
    assert b"/w/none" in done.stderr


def test_redirects_do_not_follow_links_out_of_the_task(harness: EngineHarness) -> None:
    outside = harness.home / "outside"
    outside.write_text("mine")
    (harness.volume / "w").mkdir()
    (harness.volume / "w" / "link").symlink_to(outside)

    harness.complete("echo", "theirs", mounts=("/w",), stdout="/w/link")

    assert outside.read_text() == "mine"


def test_output_is_seen_while_it_runs(harness: EngineHarness) -> None:
    fifo = harness.make_fifo("/w/pipe")
    run = harness.start(
        "sh", "-c", "echo early; echo ready >/w/pipe; sleep 600", mounts=("/w",)
    )
    harness.wait_for_line(fifo)

    seen = b""
    while not seen:  # an engine may hand on output with a delay
        seen = harness.engine.tails(run).stdout
        harness.engine.wait(run, timedelta(milliseconds=20))
    assert seen == b"early\n"
