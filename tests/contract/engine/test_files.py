"""Every engine mounts the task volume, and collects files outside of it."""

import pytest

from fakes.taskmaster_engine_harness import EngineHarness
from tesk_taskmaster.ports import StepFailedError


def test_a_mount_that_an_executor_replaced_by_a_link_is_refused(
    harness: EngineHarness,
) -> None:
    run = harness.make_run("ls", "/w", mounts=("/w",))
    (harness.volume / "w").rmdir()
    (harness.volume / "w").symlink_to("/etc")

    with pytest.raises(StepFailedError, match="replaced by a link"):
        harness.engine.start(run, lambda _reason: None)


def test_work_is_shared_through_mounts(harness: EngineHarness) -> None:
    harness.complete("sh", "-c", "echo x >/w/a", mounts=("/w",))

    assert harness.complete("cat", "/w/a", mounts=("/w",)).stdout == b"x\n"


NAMES = {
    "blanks and letters of any language": "/wörk dir/\N{SNOWMAN}",
    "a colon": "/work/a:b",
    "a comma": "/work/a,b",
    "quotes and what options look like": "/work/\"a'=b\\c",
}


@pytest.mark.parametrize("path", NAMES.values(), ids=NAMES)
def test_a_mount_may_be_named_with(harness: EngineHarness, path: str) -> None:
    harness.complete("sh", "-c", 'echo x >"$1/f"', "sh", path, mounts=(path,))

    assert (harness.volume / path.lstrip("/") / "f").read_text() == "x\n"


def test_single_files_do_not_hide_programs(harness: EngineHarness) -> None:
    for path in ("usr/local/in.txt", "in.txt", "etc/app.conf"):
        file = harness.volume / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{path} ")
    files = ("/usr/local/in.txt", "/in.txt", "/etc/app.conf")

    done = harness.complete(
        "sh",
        "-c",
        f"cat {' '.join(files)}; ls -d /usr/local/bin /etc/passwd",
        files=files,
    )

    assert done.stdout == (
        b"usr/local/in.txt in.txt etc/app.conf /etc/passwd\n/usr/local/bin\n"
    )


def test_files_outside_mounts_are_collected(harness: EngineHarness) -> None:
    harness.complete(
        "sh",
        "-c",
        "echo r >/result.txt; echo a >/usr/local/a.log; mkdir -p /opt/o/p; echo d >/opt/o/p/q; exit 3",
        collect=("/result.txt", "/usr/local/*.log", "/opt/o", "/none"),
    )

    assert (harness.volume / "result.txt").read_text() == "r\n"
    assert (harness.volume / "usr/local/a.log").read_text() == "a\n"
    assert (harness.volume / "opt/o/p/q").read_text() == "d\n"
    assert not (harness.volume / "none").exists()


def test_a_redirect_outside_mounts_is_seen_and_collected(
    harness: EngineHarness,
) -> None:
    harness.complete(
        "sh", "-c", "echo a; cat /out.txt >&2", stdout="/out.txt", collect=("/out.txt",)
    )

    assert (harness.volume / "out.txt").read_text() == "a\n"


def test_collecting_does_not_touch_what_is_mounted(harness: EngineHarness) -> None:
    (harness.volume / "in.txt").write_text("input")

    harness.complete(
        "sh", "-c", "echo o >/o.txt", files=("/in.txt",), collect=("/*.txt",)
    )

    assert (harness.volume / "in.txt").read_text() == "input"
    assert (harness.volume / "o.txt").read_text() == "o\n"


WORKDIRS = ("/", "/tmp", "/w", "/w/new/one", "/not/there/yet")


@pytest.mark.parametrize("workdir", WORKDIRS)
def test_the_workdir_is_made_and_writable(harness: EngineHarness, workdir: str) -> None:
    done = harness.complete(
        "sh", "-c", "pwd; echo x >f", mounts=("/w",), workdir=workdir
    )

    assert done.stdout.decode().strip() == workdir
    assert done.result.exit_code == 0


def test_tmp_is_private_and_empty(harness: EngineHarness) -> None:
    harness.complete("sh", "-c", "echo x >/tmp/f; mkdir /tmp/conda")

    assert harness.complete("ls", "-A", "/tmp").stdout == b""
