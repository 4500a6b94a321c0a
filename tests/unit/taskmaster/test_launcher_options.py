"""The launcher's options beside mounts, for containers of every sort."""

from builders import make_executor
from tesk_taskmaster.adapters.launcher_options import launcher_options
from tesk_taskmaster.domain.plan import ExecutorStep


def options(*, collect: tuple[str, ...], **redirects: str) -> list[str]:
    step = ExecutorStep(
        index=0, executor=make_executor(**redirects), mounts=(), collect=collect
    )
    return list(launcher_options(step, volume="/vol"))


def test_a_redirect_outside_every_mount_goes_into_the_volume_at_once() -> None:
    assert options(stdout="/a[1].txt", collect=("/a[[]1].txt", "/*.log")) == [
        *("--stdout", "/vol/a[1].txt"),
        *("--collect", "/*.log", "/vol"),
    ]


def test_a_redirect_into_a_mount_stays_where_it_is() -> None:
    assert options(stderr="/w/err", collect=("/out.txt",)) == [
        *("--stderr", "/w/err"),
        *("--collect", "/out.txt", "/vol"),
    ]
