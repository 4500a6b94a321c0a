"""Makes what an engine is asked to run of a step of a plan."""

from collections.abc import Iterator
from pathlib import Path

from tesk_taskmaster.adapters.task_folders import TaskFolders
from tesk_taskmaster.domain.executor_run import ExecutorRun, HostMount
from tesk_taskmaster.domain.plan import ExecutorStep, Plan


def make_run(folders: TaskFolders, plan: Plan, step: ExecutorStep) -> ExecutorRun:
    """Return the run of an executor, with the mounts that are there."""
    volume = folders.volume(plan.attempt)
    return ExecutorRun(
        name=f"{plan.attempt.name}-{step.name}",
        attempt=plan.attempt,
        step=step,
        mounts=tuple(_host_mounts(step, volume)),
        folder=folders.step(plan.attempt, step.name),
        volume=volume,
        cpu_cores=plan.cpu_cores,
        ram=plan.ram,
        outputs=plan.outputs,
    )


def _host_mounts(step: ExecutorStep, volume: Path) -> Iterator[HostMount]:
    for mount in step.mounts:
        source = volume / mount.path.lstrip("/")
        # An executor may have made a link to a file of this machine, which an engine
        # would follow. The command reports a missing file.
        if mount.is_file and (source.resolve() != source or not source.is_file()):
            continue
        yield HostMount(source=source, target=mount.path, is_file=mount.is_file)
