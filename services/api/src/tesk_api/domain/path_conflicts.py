"""Finds paths of a task that exclude each other.

Inputs may be below volumes and directories, outputs below directories, and an input
and an output may have the same path. Nothing can be below a file.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tesk_model.errors import Violation
from tesk_model.paths import normalize, output_directory, parent
from tesk_model.task import Executor, FileType, Input, Output

_MAX_SHOWN = 100


class TaskPaths(NamedTuple):
    """The fields of a task that name paths, each with its index in the task."""

    inputs: Sequence[tuple[int, Input]]
    outputs: Sequence[tuple[int, Output]]
    executors: Sequence[tuple[int, Executor]]
    volumes: Sequence[tuple[int, str]]


class _RequiredDirectory(NamedTuple):
    """A field whose ``path`` can be used only if ``directory`` is a directory."""

    field: str
    path: str
    directory: str


def input_conflicts(inputs: Iterable[tuple[int, Input]]) -> Iterator[Violation]:
    """Yield inputs that cannot share their path.

    Two directories with one path merge; a file shares its path with nothing.
    """
    first: dict[str, tuple[int, FileType]] = {}
    for index, entry in inputs:
        earlier, kind = first.setdefault(normalize(entry.path), (index, entry.type))
        both_directories = FileType.DIRECTORY is kind is entry.type
        if earlier != index and not both_directories:
            yield Violation(
                f"inputs[{index}].path", f"is also the path of inputs[{earlier}]"
            )


def file_conflicts(paths: TaskPaths) -> Iterator[Violation]:
    """Yield the fields that need a directory where an input is a file."""
    files: dict[str, int] = {}
    for index, entry in paths.inputs:
        if entry.type is FileType.FILE:
            files.setdefault(normalize(entry.path), index)
    if not files:
        return
    for required in _required_directories(paths):
        for directory in _with_parents(required.directory):
            if directory in files:
                yield Violation(
                    required.field,
                    f"{_quoted(required.path)} needs a directory where "
                    f"inputs[{files[directory]}].path {_quoted(directory)} is a file",
                )
                break


def _required_directories(paths: TaskPaths) -> Iterator[_RequiredDirectory]:
    for index, entry in paths.inputs:
        yield _parent_directory(f"inputs[{index}].path", entry.path)
    for index, output in paths.outputs:
        yield _output_directory(f"outputs[{index}].path", output)
    for index, executor in paths.executors:
        field = f"executors[{index}]"
        if executor.workdir:
            yield _directory_itself(f"{field}.workdir", executor.workdir)
        for name in ("stdin", "stdout", "stderr"):
            if path := getattr(executor, name):
                yield _parent_directory(f"{field}.{name}", path)
    for index, volume in paths.volumes:
        yield _directory_itself(f"volumes[{index}]", volume)


def _directory_itself(field: str, path: str) -> _RequiredDirectory:
    return _RequiredDirectory(field, path, normalize(path))


def _parent_directory(field: str, path: str) -> _RequiredDirectory:
    return _RequiredDirectory(field, path, parent(normalize(path)))


def _output_directory(field: str, output: Output) -> _RequiredDirectory:
    directory = output_directory(output.path, output.path_prefix)
    return _RequiredDirectory(field, output.path, directory)


def _with_parents(directory: str) -> Iterator[str]:
    while directory != "/":
        yield directory
        directory = parent(directory)


def _quoted(path: str) -> str:
    """Return a client's path, shortened and with control characters escaped."""
    return repr(path if len(path) <= _MAX_SHOWN else path[:_MAX_SHOWN] + "…")
