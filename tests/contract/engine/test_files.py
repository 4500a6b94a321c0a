"""Every engine mounts the task volume, and collects files outside of it."""

import pytest

from fakes.taskmaster_engine_kit import EngineKit
from tesk_taskmaster.ports import StepFailedError


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
