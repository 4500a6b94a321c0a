"""Whether the files and directories of a task can lie beside each other.

Legal are inputs below volumes and directories, outputs below directories, and
one path for an input and an output. What can never be is a file that has
something below it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tesk_model.errors import Violation
from tesk_model.paths import normalize, output_directory, parent
from tesk_model.task import Executor, FileType, Input, Output

_MAX_SHOWN = 100


class Parts(NamedTuple):
    """The parts of a task that name paths, each with its index in the task."""

    inputs: Sequence[tuple[int, Input]]
    outputs: Sequence[tuple[int, Output]]
    executors: Sequence[tuple[int, Executor]]
    volumes: Sequence[tuple[int, str]]


class _Need(NamedTuple):
    """A field whose ``path`` can be used only if ``directory`` is one."""

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


def file_conflicts(parts: Parts) -> Iterator[Violation]:
    """Yield the fields that need a directory where an input is a file."""
    files: dict[str, int] = {}
    for index, entry in parts.inputs:
        if entry.type is FileType.FILE:
            files.setdefault(normalize(entry.path), index)
    if not files:
        return
    for need in _needs(parts):
        for directory in _with_parents(need.directory):
            if directory in files:
                yield Violation(
                    need.field,
                    f"{_shown(need.path)} needs a directory where "
                    f"inputs[{files[directory]}].path {_shown(directory)} is a file",
                )
                break


def _needs(parts: Parts) -> Iterator[_Need]:
    for index, entry in parts.inputs:
        yield _in_parent(f"inputs[{index}].path", entry.path)
    for index, output in parts.outputs:
        yield _of_output(f"outputs[{index}].path", output)
    for index, executor in parts.executors:
        field = f"executors[{index}]"
        if executor.workdir:
            yield _itself(f"{field}.workdir", executor.workdir)
        for name in ("stdin", "stdout", "stderr"):
            if path := getattr(executor, name):
                yield _in_parent(f"{field}.{name}", path)
    for index, volume in parts.volumes:
        yield _itself(f"volumes[{index}]", volume)


def _itself(field: str, path: str) -> _Need:
    return _Need(field, path, normalize(path))


def _in_parent(field: str, path: str) -> _Need:
    return _Need(field, path, parent(normalize(path)))


def _of_output(field: str, output: Output) -> _Need:
    directory = output_directory(output.path, output.path_prefix)
    return _Need(field, output.path, directory)


def _with_parents(directory: str) -> Iterator[str]:
    while directory != "/":
        yield directory
        directory = parent(directory)


def _shown(path: str) -> str:
    """Return a client's path so that it cannot disturb a screen."""
    return repr(path if len(path) <= _MAX_SHOWN else path[:_MAX_SHOWN] + "…")
