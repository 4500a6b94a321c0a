"""From a task to its plan: what is mounted where, which phases there are.

The rule of mounts. The task volume appears in executors at

- each directory that the task names itself: a volume, a DIRECTORY input or
  output;
- the directory that holds each FILE input, FILE output and redirect, and the
  directory above the first wildcard of a pattern.

Image content is never hidden by a mount that the user did not ask for: where
the second rule leads to a directory that images own (``/``, ``/usr/local``,
``/etc``, …: ``tesk_model.paths.is_system_directory``), an input or stdin is
mounted as a single file, and an output, pattern or redirect is collected when
the executor has ended.

A directory that the user names is mounted there even below ``/opt`` or
``/usr`` (``/opt/reference``): it is the user's word that this place is the
task's. The exception are directories that hold the programs of nearly every
image (``/usr/bin``, ``/etc``, ``/opt`` itself, …): an output there is
collected, and an input or volume there is refused with a sentence, because a
container whose ``/usr/bin`` is hidden fails in ways nobody understands.

Mounts within mounts collapse: the volume mirrors the container's tree, so the
outer one shows what the inner one would.
"""

import glob
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from tesk_model.names import Attempt
from tesk_model.paths import (
    is_pattern,
    is_system_directory,
    is_within,
    normalize,
    output_directory,
    parent,
)
from tesk_model.patterns import expand_braces
from tesk_model.quantities import ByteCount, bytes_from_gib
from tesk_model.task import Executor, FileType, Input, Output, Resources, Task
from tesk_taskmaster.domain.plan import ExecutorStep, Mount, Placement, Plan

_PROGRAM_DIRECTORY = re.compile(
    r"/|/(bin|boot|etc|lib|lib32|lib64|libx32|libexec|opt|run|sbin|usr|var|home)"
    r"|/usr(/local)?/(bin|etc|include|lib|lib32|lib64|libx32|libexec|local|sbin|share)"
    r"|/var/(lib|run|cache|log)|/opt/(bin|conda|lib)"
)


class PlanError(Exception):
    """The task cannot be laid out; the message names the field and says why."""


@dataclass(slots=True)
class _Wanted:
    """Paths of a task, sorted by how executors must see them."""

    directories: set[str]
    files: set[str]
    collected: dict[str, Sequence[str]]  # path to patterns, in order of first use


def plan_task(task: Task, attempt: Attempt) -> Plan:
    """Lay out one attempt of ``task``; the same arguments give the same plan.

    Args:
        task: As assigned: the scheduler has filled in its resources.
        attempt: Names what is made.

    Raises:
        PlanError: An input or a volume would hide the programs of the image,
            a file would lie in a file, or a resource is not filled in.
    """
    resources = task.resources or Resources()
    cpu_cores, ram, disk = _amounts(resources)
    wanted = _wanted_paths(task)
    mounted = _outermost(wanted.directories)
    steps = tuple(
        _plan_executor(index, executor, wanted, mounted)
        for index, executor in enumerate(task.executors)
    )
    return Plan(
        attempt=attempt,
        has_inputs=bool(task.inputs),
        has_outputs=bool(task.outputs),
        directories=_volume_directories(task, wanted, mounted),
        executors=steps,
        outputs=tuple(dict.fromkeys(chain(*map(_output_patterns, task.outputs)))),
        cpu_cores=cpu_cores,
        ram=ram,
        disk=disk,
        placement=Placement(
            zones=resources.zones,
            preemptible=bool(resources.preemptible),
            backend_parameters=dict(resources.backend_parameters),
        ),
    )


def _amounts(resources: Resources) -> tuple[float, ByteCount, ByteCount]:
    cpu, ram, disk = resources.cpu_cores, resources.ram_gb, resources.disk_gb
    if cpu is None or ram is None or disk is None:
        # Not guessed: what is used would not be what the quota counts.
        raise PlanError("resources: the scheduler has not filled in every amount")
    return cpu, bytes_from_gib(ram), bytes_from_gib(disk)


def _wanted_paths(task: Task) -> _Wanted:
    wanted = _Wanted(directories=set(), files=set(), collected={})
    for index, volume in enumerate(task.volumes):
        path = normalize(volume)
        _refuse_program_directory(f"volumes[{index}]", path)
        wanted.directories.add(path)
    for index, entry in enumerate(task.inputs):
        _want_input(wanted, entry, f"inputs[{index}].path")
    for output in task.outputs:
        _want_output(wanted, output)
    for executor in task.executors:
        _want_redirects(wanted, executor)
    return wanted


def _want_input(wanted: _Wanted, entry: Input, field: str) -> None:
    path = normalize(entry.path)
    if entry.type is FileType.DIRECTORY:
        _refuse_program_directory(field, path)
        wanted.directories.add(path)
    elif is_system_directory(parent(path)):
        _refuse_program_directory(field, path)
        wanted.files.add(path)
    else:
        wanted.directories.add(parent(path))


def _output_patterns(output: Output) -> Sequence[str]:
    """Return what an output means: its path, and that with its braces expanded."""
    path = normalize(output.path)
    paths = (path, *expand_braces(path))
    if is_pattern(output.path, output.path_prefix):
        return paths
    return [glob.escape(path) for path in paths]


def _want_output(wanted: _Wanted, output: Output) -> None:
    path = normalize(output.path)
    named = output.type is FileType.DIRECTORY and not expand_braces(path)
    if named and not is_pattern(output.path, output.path_prefix):
        if _is_program_directory(path):
            wanted.collected.setdefault(path, _output_patterns(output))
        else:
            wanted.directories.add(path)
        return
    directory = output_directory(path, output.path_prefix)
    if is_system_directory(directory):
        wanted.collected.setdefault(path, _output_patterns(output))
    else:
        wanted.directories.add(directory)


def _want_written_file(wanted: _Wanted, path: str) -> None:
    if is_system_directory(parent(path)):
        wanted.collected.setdefault(path, [glob.escape(path)])
    else:
        wanted.directories.add(parent(path))


def _want_redirects(wanted: _Wanted, executor: Executor) -> None:
    for path in (executor.stdout, executor.stderr):
        if path:
            _want_written_file(wanted, normalize(path))
    if executor.stdin and not is_system_directory(parent(normalize(executor.stdin))):
        wanted.directories.add(parent(normalize(executor.stdin)))


def _plan_executor(
    index: int, executor: Executor, wanted: _Wanted, mounted: tuple[str, ...]
) -> ExecutorStep:
    files = set(wanted.files)
    if executor.stdin:
        # What feeds one executor may not exist before it: no other mounts it.
        stdin = normalize(executor.stdin)
        _refuse_program_directory(f"executors[{index}].stdin", stdin)
        files.add(stdin)
    single = sorted(path for path in files if not _is_covered(path, mounted))
    _refuse_paths_in_files([*mounted, *single], single)
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
            for path, patterns in wanted.collected.items()
            if not _is_covered(path, mounted) and path not in single
            for pattern in patterns
        ),
    )


def _refuse_paths_in_files(paths: Sequence[str], files: Sequence[str]) -> None:
    for path in paths:
        for file in files:
            if path != file and is_within(path, file):
                msg = f"{path} cannot be there: {file} is a file"
                raise PlanError(msg)


def _volume_directories(
    task: Task, wanted: _Wanted, mounted: tuple[str, ...]
) -> tuple[str, ...]:
    """List what executors must find, with what lies between it and its mount."""
    named = set(wanted.directories)
    named.update(normalize(entry.workdir) for entry in task.executors if entry.workdir)
    found: set[str] = set()
    for path in named:
        current = path
        while _is_covered(current, mounted):
            found.add(current)
            current = parent(current)
    return tuple(sorted(found))


def _outermost(paths: set[str]) -> tuple[str, ...]:
    """Drop what lies within another; sorted."""
    kept: list[str] = []
    for path in sorted(paths, key=lambda path: path.split("/")):
        if not kept or not is_within(path, kept[-1]):
            kept.append(path)
    return tuple(kept)


def _is_covered(path: str, mounted: Iterable[str]) -> bool:
    return any(is_within(path, directory) for directory in mounted)


def _is_program_directory(path: str) -> bool:
    return _PROGRAM_DIRECTORY.fullmatch(path) is not None


def _refuse_program_directory(field: str, path: str) -> None:
    if _is_program_directory(path):
        msg = (
            f"{field}: {path} holds the programs of the image, which would be "
            "hidden; name a directory of its own"
        )
        raise PlanError(msg)
