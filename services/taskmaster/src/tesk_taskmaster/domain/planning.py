"""From a task to its plan: what is mounted where, which phases there are.

The rule of mounts. The task volume appears in executors at

- each directory that the task names itself: a volume, a DIRECTORY input or
  output;
- where the image has nothing: the directory that holds each FILE input, FILE
  output and redirect, the one above the first wildcard of a pattern, and the
  working directory.

So image content is never hidden by a mount that the user did not ask for. In a
directory where the image has something, an input is mounted as a single file,
and an output, pattern or redirect is collected when the executor has ended.
That goes without asking for directories that images own (``/``, ``/usr/local``,
``/etc``, …: ``tesk_model.paths.is_system_directory``); of others, what images
have is a fact that the caller finds out (``image_questions``).

A directory that the user names is mounted there even below ``/opt`` or
``/usr`` (``/opt/reference``): it is the user's word that this place is the
task's. The exception are directories that hold the programs of nearly every
image (``/usr/bin``, ``/etc``, ``/opt`` itself, …): an output there is
collected, and an input or volume there is refused with a sentence, because a
container whose ``/usr/bin`` is hidden fails in ways nobody understands.

Mounts within mounts collapse: the volume mirrors the container's tree, so the
outer one shows what the inner one would.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from types import MappingProxyType
from typing import Final

from tesk_model.names import Attempt
from tesk_model.paths import normalize, parent
from tesk_model.quantities import ByteCount, bytes_from_gib
from tesk_model.task import Executor, Resources, Task
from tesk_taskmaster.domain.plan import ExecutorStep, Mount, Placement, Plan
from tesk_taskmaster.domain.wanted import (
    PlanError,
    Wanted,
    nearest,
    output_patterns,
    wanted_paths,
)

Occupied = Mapping[str, Collection[str]]
"""By image, the directories in which it has something; what is not there, not."""

NOTHING: Final[Occupied] = MappingProxyType({})
"""No image has anything."""

__all__ = ["NOTHING", "Occupied", "PlanError", "image_questions", "plan_task"]


def plan_task(task: Task, attempt: Attempt, occupied: Occupied = NOTHING) -> Plan:
    """Lay out one attempt of ``task``; the same arguments give the same plan.

    Args:
        task: As assigned: the scheduler has filled in its resources.
        attempt: Names what is made.
        occupied: What images answered to ``image_questions``. Only the mounts
            of the executors of an image depend on it, nothing else of the plan.

    Raises:
        PlanError: An input or a volume would hide the programs of the image,
            a file would lie in a file, or a resource is not filled in.
    """
    resources = task.resources or Resources()
    cpu_cores, ram, disk = _amounts(resources)
    wanted = wanted_paths(task)
    steps = tuple(
        _plan_executor(index, executor, wanted, occupied.get(executor.image, ()))
        for index, executor in enumerate(task.executors)
    )
    return Plan(
        attempt=attempt,
        has_inputs=bool(task.inputs),
        has_outputs=bool(task.outputs),
        directories=_volume_directories(wanted),
        executors=steps,
        outputs=tuple(dict.fromkeys(chain(*map(output_patterns, task.outputs)))),
        cpu_cores=cpu_cores,
        ram=ram,
        disk=disk,
        placement=Placement(
            zones=resources.zones,
            preemptible=bool(resources.preemptible),
            backend_parameters=dict(resources.backend_parameters),
        ),
    )


def image_questions(task: Task) -> Mapping[str, Sequence[str]]:
    """Return for each image in which directories it may have something.

    Only what decides about mounts is asked; sorted, so that a directory comes
    before those in it.

    Raises:
        PlanError: See ``plan_task``.
    """
    wanted = wanted_paths(task)
    named = _outermost(wanted.named)
    asked = sorted(path for path in wanted.shared if nearest(path, named) is None)
    return {executor.image: asked for executor in task.executors} if asked else {}


def _amounts(resources: Resources) -> tuple[float, ByteCount, ByteCount]:
    cpu, ram, disk = resources.cpu_cores, resources.ram_gb, resources.disk_gb
    if cpu is None or ram is None or disk is None:
        # Not guessed: what is used would not be what the quota counts.
        raise PlanError("resources: the scheduler has not filled in every amount")
    return cpu, bytes_from_gib(ram), bytes_from_gib(disk)


def _plan_executor(
    index: int, executor: Executor, wanted: Wanted, occupied: Collection[str]
) -> ExecutorStep:
    mounted = _outermost(wanted.named | wanted.shared.difference(occupied))
    single = {path for path in wanted.files if nearest(path, mounted) is None}
    _refuse_paths_in_files(sorted(mounted | single), single)
    return ExecutorStep(
        index=index,
        executor=executor,
        mounts=tuple(
            sorted(
                [Mount(path=path) for path in mounted]
                + [Mount(path=path, is_file=True) for path in single],
                key=lambda mount: mount.path,
            )
        ),
        collect=tuple(
            pattern
            for path, patterns in wanted.written.items()
            if nearest(path, mounted | single) is None
            for pattern in patterns
        ),
        stdin_in_volume=_is_elsewhere(executor.stdin, mounted | single, wanted),
    )


def _is_elsewhere(stdin: str | None, seen: AbstractSet[str], wanted: Wanted) -> bool:
    """Tell whether stdin may be in the volume where no mount shows it."""
    if not stdin or not (wanted.files or wanted.written or wanted.named):
        return False
    return nearest(normalize(stdin), seen) is None


def _refuse_paths_in_files(paths: Iterable[str], files: AbstractSet[str]) -> None:
    for path in paths:
        file = nearest(parent(path), files)
        if file is not None:
            msg = f"{path} cannot be there: {file} is a file"
            raise PlanError(msg)


def _volume_directories(wanted: Wanted) -> tuple[str, ...]:
    """List what executors must find, with what lies between it and its mount."""
    mounted = _outermost(wanted.named | wanted.shared)
    found: set[str] = set()
    for path in wanted.made:
        current = path
        while nearest(current, mounted) is not None:
            found.add(current)
            current = parent(current)
    return tuple(sorted(found))


def _outermost(paths: AbstractSet[str]) -> AbstractSet[str]:
    """Drop what lies within another."""
    return {path for path in paths if nearest(parent(path), paths) is None}
