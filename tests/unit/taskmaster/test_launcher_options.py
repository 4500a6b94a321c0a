"""Options of the launcher for an executor."""

from builders.tasks import make_executor
from tesk_taskmaster.adapters.launcher_options import launcher_options
from tesk_taskmaster.domain.plan import ExecutorStep, Mount


def options(
    *,
    collect: tuple[str, ...] = (),
    outputs: tuple[str, ...] = (),
    mounts: tuple[Mount, ...] = (),
    **redirects: str,
) -> list[str]:
    step = ExecutorStep(
        index=0, executor=make_executor(**redirects), mounts=mounts, collect=collect
    )
    return list(launcher_options(step, volume="/vol", outputs=outputs))


def test_a_redirect_outside_every_mount_goes_into_the_volume_at_once() -> None:
    assert options(stdout="/a[1].txt", collect=("/a[[]1].txt", "/*.log")) == [
        *("--disk", "/vol"),
        *("--stdout", "/vol/a[1].txt"),
        *("--collect", "/*.log", "/vol"),
    ]


def test_a_redirect_into_a_mount_stays_where_it_is() -> None:
    assert options(stderr="/w/err", collect=("/out.txt",)) == [
        *("--disk", "/vol"),
        *("--stderr", "/w/err"),
        *("--collect", "/out.txt", "/vol"),
    ]


def test_outputs_are_made_readable_where_they_lie_in_the_volume() -> None:
    assert options(
        stdout="/a[1].txt",
        collect=("/a[[]1].txt", "/*.log"),
        outputs=("/a[[]1].txt", "/*.log", "/w/out"),
    ) == [
        *("--disk", "/vol"),
        *("--stdout", "/vol/a[1].txt"),
        *("--collect", "/*.log", "/vol"),
        *("--readable", "/vol/a[[]1].txt"),
        *("--readable", "/vol/*.log"),
        *("--readable", "/w/out"),
    ]


def test_more_outputs_than_a_command_line_holds_are_named_by_what_holds_them() -> None:
    outputs = tuple(f"/w[[]1]/{number}" for number in range(20_000))
    mounts = (Mount(path="/w[1]"), Mount(path="/in"))

    mounted = options(outputs=outputs, mounts=mounts)
    collected = options(outputs=outputs, mounts=mounts, collect=("/x",))

    disk = ["--disk", "/w[1]"]
    readable = ["--readable", "/w[[]1]", "--readable", "/in"]
    assert mounted == disk + readable
    assert collected == [
        *disk,
        *("--collect", "/x", "/vol"),
        *readable,
        *("--readable", "/vol"),
    ]


def test_the_disk_to_look_at_is_that_of_the_first_mount() -> None:
    assert options(mounts=(Mount(path="/w"), Mount(path="/v")))[:2] == ["--disk", "/w"]


def test_there_is_no_disk_to_look_at_without_files() -> None:
    assert options() == []
