"""The paths of a task, sorted by how executors must see them."""

import re
from collections.abc import Iterator, Sequence
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

_PROGRAM_DIRECTORY = re.compile(
    r"/|/(bin|boot|etc|lib|lib32|lib64|libx32|libexec|opt|run|sbin|usr|var|home)"
    r"|/usr(/local)?/(bin|etc|include|lib|lib32|lib64|libx32|libexec|local|sbin|share)"
    r"|/var/(lib|run|cache|log)|/opt/(bin|conda|lib)"
)


class PlanError(Exception):
    """The task cannot be laid out; the message names the field and says why."""


@dataclass(slots=True)
class Wanted:
    """The paths of a task.

    Attributes:
        named: Directories that the task names: mounted whatever is there.
        shared: Directories that hold what the task names: mounted where the
            image has nothing. Not those that images own anyway.
        made: Directories that commands find.
        files: FILE inputs.
        written: What a command leaves for later, as patterns, in order of first
            use: FILE outputs, patterns, redirects, directories that no
            mount is for.
    """

    named: set[str] = field(default_factory=set)
    shared: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    written: dict[str, Sequence[str]] = field(default_factory=dict)


def wanted_paths(task: Task) -> Wanted:
    """Sort the paths of ``task``.

    Raises:
        PlanError: An input or a volume would hide the programs of the image.
    """
    wanted = Wanted()
    for index, volume in enumerate(task.volumes):
        path = normalize(volume)
        _refuse_program_directory(f"volumes[{index}]", path)
        wanted.named.add(path)
    for index, entry in enumerate(task.inputs):
        _want_input(wanted, entry, f"inputs[{index}].path")
    for path in _redirects(task):
        wanted.written.setdefault(path, [escape_pattern(path)])
        wanted.shared.add(parent(path))
    wanted.made |= wanted.named | wanted.shared
    _want_outputs(wanted, task)
    if wanted.named or wanted.shared or wanted.files or wanted.written:
        wanted.shared |= {parent(path) for path in _stdins(task)}
        _want_workdirs(wanted, task)
    wanted.shared = {path for path in wanted.shared if not is_system_directory(path)}
    return wanted


def output_patterns(output: Output) -> Sequence[str]:
    """Return what an output means: its path, and that with its braces expanded."""
    path = output_path(output.path, output.path_prefix)
    paths = (path, *expand_braces(path))
    if is_pattern(output.path, output.path_prefix):
        return paths
    return [escape_pattern(path) for path in paths]


def _want_input(wanted: Wanted, entry: Input, field: str) -> None:
    path = normalize(entry.path)
    if entry.type is FileType.DIRECTORY:
        _refuse_program_directory(field, path)
        wanted.named.add(path)
        return
    if is_system_directory(parent(path)):
        _refuse_program_directory(field, path)
    wanted.files.add(path)
    wanted.shared.add(parent(path))


def _redirects(task: Task) -> Iterator[str]:
    for executor in task.executors:
        for path in (executor.stdout, executor.stderr):
            if path:
                yield normalize(path)


def _stdins(task: Task) -> Iterator[str]:
    return (normalize(each.stdin) for each in task.executors if each.stdin)


def _workdirs(task: Task) -> set[str]:
    return {normalize(each.workdir) for each in task.executors if each.workdir}


def _want_workdirs(wanted: Wanted, task: Task) -> None:
    workdirs = _workdirs(task)
    wanted.shared |= workdirs
    # Another executor may make it, and each makes its own in any case.
    wanted.made |= {path for path in workdirs if not _is_below(path, workdirs)}


def _want_outputs(wanted: Wanted, task: Task) -> None:
    """Add outputs and what holds them, unless something else gives that.

    What lies below a working directory, or below a folder that a shallower
    input, output or volume gives, is the command's to make: it says `mkdir`.
    """
    places = {output.path: _place(output) for output in task.outputs}
    given = {parent(path) for path in wanted.files} | wanted.named | {*places.values()}
    givers = {path for path in given if not is_system_directory(path)}
    givers |= _workdirs(task) - {"/"}
    for output in task.outputs:
        path = output_path(output.path, output.path_prefix)
        place = places[output.path]
        is_named = place == path and not _is_program_directory(path)
        is_given = _is_below(place, givers)
        if is_given or not is_named:
            wanted.written.setdefault(path, output_patterns(output))
        if is_given:
            continue
        (wanted.named if is_named else wanted.shared).add(place)
        wanted.made.add(place)


def _place(output: Output) -> str:
    """Return the directory that an output is, or is looked for in."""
    path = output_path(output.path, output.path_prefix)
    is_plain = not is_pattern(output.path, output.path_prefix)
    if output.type is FileType.DIRECTORY and is_plain and not expand_braces(path):
        return path
    return output_directory(output.path, output.path_prefix)


def _is_below(path: str, directories: AbstractSet[str]) -> bool:
    return path != "/" and nearest(parent(path), directories) is not None


def nearest(path: str, paths: AbstractSet[str]) -> str | None:
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
