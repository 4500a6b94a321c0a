"""Checks that the mounts of a run are those of its plan.

The volume is untrusted: an earlier executor may have made any link in it.
"""

from tesk_taskmaster.domain.executor_run import ExecutorRun
from tesk_taskmaster.ports import StepFailedError


def refuse_links(run: ExecutorRun) -> None:
    """Refuse a mount whose source was replaced by a link.

    An earlier executor could have replaced a folder of the volume by a link to any
    path of this machine, and a mount would follow it.

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
