"""Plans a task: what is mounted where, which steps there are.

The rule of mounts. The task volume appears in executors at

- each directory that the task names itself: a volume, a DIRECTORY input or
  output;
- where the image has nothing: the directory that holds each FILE input, FILE
  output and redirect, the one above the first wildcard of a pattern, and the
  working directory.

So image content is never hidden by a mount that the user did not ask for. In a
directory where the image has something, an input is mounted as a single file,
and an output, pattern or redirect is collected when the executor has ended.
That holds without an inspection for directories that images own (``/``, ``/usr/local``,
``/etc``, …: ``tesk_model.paths.is_system_directory``); of others, the
caller inspects the image (``directories_to_inspect``).

A directory that the user names is mounted there even below ``/opt`` or
``/usr`` (``/opt/reference``): the user says that this
directory is the task's. The exception are directories that hold the programs of nearly every
image (``/usr/bin``, ``/etc``, ``/opt`` itself, …): an output there is
collected, and an input or volume there is refused with a message, because the
failures of a container whose ``/usr/bin`` is hidden are hard to explain.

Mounts within mounts collapse: the volume mirrors the container's tree, so the
outer one shows what the inner one would. References are not of the volume: they are
mounted by themselves, also within a mount of the volume, and nothing within them.
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
from tesk_taskmaster.domain.references import PlanError
from tesk_taskmaster.domain.required_paths import (
    RequiredPaths,
    nearest_ancestor,
    output_patterns,
    required_paths,
)

OccupiedDirectories = Mapping[str, Collection[str]]
"""By image, the directories in which it has files."""

NONE_OCCUPIED: Final[OccupiedDirectories] = MappingProxyType({})
"""No image has files in any directory."""

__all__ = [
    "NONE_OCCUPIED",
    "OccupiedDirectories",
    "PlanError",
    "directories_to_inspect",
    "plan_task",
]


def plan_task(
    task: Task, attempt: Attempt, occupied: OccupiedDirectories = NONE_OCCUPIED
) -> Plan:
    """Plan one attempt of ``task``; the same arguments give the same plan.

    Args:
        task: As assigned: the scheduler has filled in its resources.
        attempt: Names what is made.
        occupied: The result of inspecting ``directories_to_inspect``. Only the mounts
            of the executors of an image depend on it, nothing else of the plan.

    Raises:
        PlanError: An input or a volume would hide the programs of the image,
            a file would lie in a file, or a resource is not filled in.
    """
    resources = task.resources or Resources()
    cpu_cores, ram, disk = _amounts(resources)
    required = required_paths(task)
    steps = tuple(
        _plan_executor(index, executor, required, occupied.get(executor.image, ()))
        for index, executor in enumerate(task.executors)
    )
    return Plan(
        attempt=attempt,
        has_inputs=len(task.inputs) > len(required.references),
        has_outputs=bool(task.outputs),
        directories=_volume_directories(required),
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


def directories_to_inspect(task: Task) -> Mapping[str, Sequence[str]]:
    """Return for each image the directories to inspect.

    Only those that decide about mounts; sorted, so that a directory comes
    before those in it.

    Raises:
        PlanError: See ``plan_task``.
    """
    required = required_paths(task)
    named = _outermost(required.named)
    asked = sorted(
        path for path in required.shared if nearest_ancestor(path, named) is None
    )
    return {executor.image: asked for executor in task.executors} if asked else {}


def _amounts(resources: Resources) -> tuple[float, ByteCount, ByteCount]:
    cpu, ram, disk = resources.cpu_cores, resources.ram_gb, resources.disk_gb
    if cpu is None or ram is None or disk is None:
        # Not guessed: the quota would count other amounts.
        raise PlanError("resources: the scheduler has not filled in every amount")
    return cpu, bytes_from_gib(ram), bytes_from_gib(disk)


def _plan_executor(
    index: int, executor: Executor, required: RequiredPaths, occupied: Collection[str]
) -> ExecutorStep:
    mounted = _outermost(required.named | required.shared.difference(occupied))
    single = {
        path for path in required.files if nearest_ancestor(path, mounted) is None
    }
    references = required.references
    files = single | {each.path for each in references if each.is_file}
    _refuse_paths_in_files(
        sorted(mounted | files | {each.path for each in references}), files
    )
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
            for path, patterns in required.written.items()
            if nearest_ancestor(path, mounted | single) is None
            for pattern in patterns
        ),
        stdin_in_volume=_is_elsewhere(executor.stdin, mounted | single, required),
        references=tuple(references),
    )


def _is_elsewhere(
    stdin: str | None, seen: AbstractSet[str], required: RequiredPaths
) -> bool:
    """Tell whether stdin may be in the volume where no mount shows it."""
    if not stdin or not (required.files or required.written or required.named):
        return False
    seen = seen | {reference.path for reference in required.references}
    return nearest_ancestor(normalize(stdin), seen) is None


def _refuse_paths_in_files(paths: Iterable[str], files: AbstractSet[str]) -> None:
    for path in paths:
        file = nearest_ancestor(parent(path), files)
        if file is not None:
            msg = f"{path} cannot be there: {file} is a file"
            raise PlanError(msg)


def _volume_directories(required: RequiredPaths) -> tuple[str, ...]:
    """List the directories that executors need, with those up to their mount."""
    mounted = _outermost(required.named | required.shared)
    found: set[str] = set()
    for path in required.made:
        current = path
        while nearest_ancestor(current, mounted) is not None:
            found.add(current)
            current = parent(current)
    return tuple(sorted(found))


def _outermost(paths: AbstractSet[str]) -> AbstractSet[str]:
    """Drop the paths that lie within another."""
    return {path for path in paths if nearest_ancestor(parent(path), paths) is None}
