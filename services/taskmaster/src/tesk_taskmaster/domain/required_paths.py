"""Finds the paths that a task needs, by how executors must see them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from tesk_model.paths import (
    is_pattern,
    is_system_directory,
    normalize,
    output_directory,
    output_path,
    parent,
)
from tesk_model.patterns import escape_pattern, expand_braces
from tesk_model.task import FileType, Input, Output, Task
from tesk_taskmaster.domain.references import (
    PlanError,
    Reference,
    find_references,
    is_in_reference,
    refuse_writes,
)

_PROGRAM_DIRECTORY = re.compile(
    r"/|/(bin|boot|etc|lib|lib32|lib64|libx32|libexec|opt|run|sbin|usr|var|home)"
    r"|/usr(/local)?/(bin|etc|include|lib|lib32|lib64|libx32|libexec|local|sbin|share)"
    r"|/var/(lib|run|cache|log)|/opt/(bin|conda|lib)"
)


@dataclass(slots=True)
class RequiredPaths:
    """The paths that a task needs.

    Attributes:
        named: Directories that the task names: always mounted.
        shared: Directories that hold paths which the task names: mounted where
            the image has nothing; without system directories.
        made: Directories that exist when a command starts.
        files: FILE inputs.
        written: What a command leaves for later, as patterns, in order of first
            use: FILE outputs, patterns, redirects, directories without a mount.
        references: Inputs that are mounted by themselves, in order of path; none of
            the other paths is in one.
    """

    named: set[str] = field(default_factory=set)
    shared: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    written: dict[str, Sequence[str]] = field(default_factory=dict)
    references: Sequence[Reference] = ()


def required_paths(task: Task) -> RequiredPaths:
    """Return the paths that ``task`` needs.

    Raises:
        PlanError: An input or a volume would hide the programs of the image, or a
            reference would be written to.
    """
    required = RequiredPaths(references=find_references(task))
    for index, volume in enumerate(task.volumes):
        path = normalize(volume)
        _refuse_program_directory(f"volumes[{index}]", path)
        required.named.add(path)
    mounted = {reference.field for reference in required.references}
    for index, entry in enumerate(task.inputs):
        name = f"inputs[{index}]"
        _add_input(required, entry, name, is_reference=name in mounted)
    for path in _redirects(task):
        required.written.setdefault(path, [escape_pattern(path)])
        required.shared.add(parent(path))
    required.made |= required.named | required.shared
    _add_outputs(required, task)
    if required.named or required.shared or required.files or required.written:
        required.shared |= {parent(path) for path in _stdins(task)}
        _add_workdirs(required, task)
    required.shared = {
        path for path in required.shared if not is_system_directory(path)
    }
    _leave_out_references(required)
    return required


def output_patterns(output: Output) -> Sequence[str]:
    """Return the patterns of an output: its path, also with its braces expanded."""
    path = output_path(output.path, output.path_prefix)
    paths = (path, *expand_braces(path))
    if is_pattern(output.path, output.path_prefix):
        return paths
    return [escape_pattern(path) for path in paths]


def _leave_out_references(required: RequiredPaths) -> None:
    """Leave out directories that are only read where a reference is."""
    references = required.references
    if not references:
        return
    refuse_writes(
        sorted(required.named | required.files | required.written.keys()), references
    )
    required.shared = _outside(required.shared, references)
    required.made = _outside(required.made, references)


def _outside(paths: Iterable[str], references: Sequence[Reference]) -> set[str]:
    return {path for path in paths if not is_in_reference(path, references)}


def _add_input(
    required: RequiredPaths, entry: Input, field: str, *, is_reference: bool
) -> None:
    path = normalize(entry.path)
    is_file = entry.type is FileType.FILE
    if not is_file or is_system_directory(parent(path)):
        _refuse_program_directory(f"{field}.path", path)
    if is_reference:
        return
    if not is_file:
        required.named.add(path)
        return
    required.files.add(path)
    required.shared.add(parent(path))


def _redirects(task: Task) -> Iterator[str]:
    for executor in task.executors:
        for path in (executor.stdout, executor.stderr):
            if path:
                yield normalize(path)


def _stdins(task: Task) -> Iterator[str]:
    return (normalize(each.stdin) for each in task.executors if each.stdin)


def _workdirs(task: Task) -> set[str]:
    return {normalize(each.workdir) for each in task.executors if each.workdir}


def _add_workdirs(required: RequiredPaths, task: Task) -> None:
    workdirs = _workdirs(task)
    required.shared |= workdirs
    # Another executor may make it, and each makes its own in any case.
    required.made |= {path for path in workdirs if not _is_below(path, workdirs)}


def _add_outputs(required: RequiredPaths, task: Task) -> None:
    """Add outputs and their directories, unless something else provides these.

    A directory below a working directory, or below the directory of another
    input, output or volume, is made by the command itself.
    """
    directories = {output.path: _directory_of(output) for output in task.outputs}
    provided = (
        {parent(path) for path in required.files}
        | required.named
        | {*directories.values()}
    )
    providers = {path for path in provided if not is_system_directory(path)}
    providers |= _workdirs(task) - {"/"}
    for output in task.outputs:
        path = output_path(output.path, output.path_prefix)
        directory = directories[output.path]
        is_named = directory == path and not _is_program_directory(path)
        is_provided = _is_below(directory, providers)
        if is_provided or not is_named:
            required.written.setdefault(path, output_patterns(output))
        if is_provided:
            continue
        (required.named if is_named else required.shared).add(directory)
        required.made.add(directory)


def _directory_of(output: Output) -> str:
    """Return the directory that an output is, or that holds it."""
    path = output_path(output.path, output.path_prefix)
    is_plain = not is_pattern(output.path, output.path_prefix)
    if output.type is FileType.DIRECTORY and is_plain and not expand_braces(path):
        return path
    return output_directory(output.path, output.path_prefix)


def _is_below(path: str, directories: AbstractSet[str]) -> bool:
    return path != "/" and nearest_ancestor(parent(path), directories) is not None


def nearest_ancestor(path: str, paths: AbstractSet[str]) -> str | None:
    """Return which of ``paths`` is ``path`` or the closest above it."""
    while path not in paths:
        if path == "/":
            return None
        path = parent(path)
    return path


def _is_program_directory(path: str) -> bool:
    return _PROGRAM_DIRECTORY.fullmatch(path) is not None


def _refuse_program_directory(field: str, path: str) -> None:
    if _is_program_directory(path):
        msg = (
            f"{field}: {path} holds the programs of the image, which would be "
            "hidden; name a directory of its own"
        )
        raise PlanError(msg)
