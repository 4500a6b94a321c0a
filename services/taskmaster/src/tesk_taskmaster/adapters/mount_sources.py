"""What a run mounts is what its plan says, whatever executors did before.

The volume is a stranger's: an earlier executor may have left any link in it.
"""

from tesk_taskmaster.ports import ExecutorRun, StepFailedError


def refuse_links(run: ExecutorRun) -> None:
    """See to it that each mount is what the plan says.

    An earlier executor could have replaced a folder of the volume by a link
    to any place of this machine, and a mount would follow it.

    Raises:
        StepFailedError: A mount is missing or leads elsewhere.
    """
    volume = run.volume
    root = volume.resolve()
    for mount in run.mounts:
        if not mount.source.is_relative_to(volume):
            continue
        expected = root / mount.source.relative_to(volume)
        try:
            actual = mount.source.resolve(strict=True)
        except OSError as error:
            raise StepFailedError(
                f"{mount.target} cannot be mounted: {error.strerror}"
            ) from error
        if actual != expected:
            raise StepFailedError(
                f"{mount.target} cannot be mounted: it was replaced by a link"
            )
