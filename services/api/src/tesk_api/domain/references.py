"""Validates inputs that are references: read-only, and mounted, not transferred.

Nothing can be written at or below one, and no output may take one with it: it would
be uploaded, or its mount point instead of it.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from tesk_api.domain.path_conflicts import TaskPaths
from tesk_model.errors import Violation
from tesk_model.locations import InvalidLocationError
from tesk_model.paths import (
    is_pattern,
    is_within,
    literal_directory,
    normalize,
    output_path,
)
from tesk_model.patterns import crosses_folders, expand_braces
from tesk_model.references import is_reference, parse_reference
from tesk_model.task import FileType, Input, Output
from tesk_runtime.wildcards import DeepPattern, compile_name


class _Reference(NamedTuple):
    number: int
    path: str
    type: FileType

    def __str__(self) -> str:
        return f"inputs[{self.number}], a reference, which is read-only"


def reference_problem(
    url: str, kind: FileType, names: AbstractSet[str] | None
) -> str | None:
    """Return the problem of the url of a reference."""
    try:
        reference = parse_reference(url)
    except InvalidLocationError as error:
        return str(error)
    if names is not None and reference.name not in names:
        known = ", ".join(sorted(names)) or "none"
        return f'names the reference "{reference.name}", which is not here; there are {known}'
    if kind is FileType.FILE and not reference.names_a_file:
        return 'must not end in "/", and must name a file: or give the type DIRECTORY'
    return None


def reference_conflicts(paths: TaskPaths) -> Iterator[Violation]:
    """Yield the fields that need to write where an input is a reference."""
    references = [
        _Reference(index, normalize(entry.path), entry.type)
        for index, entry in paths.inputs
        if _is_mounted(entry)
    ]
    if not references:
        return
    for field, path in _written(paths):
        for reference in references:
            if _is_in(path, reference, field):
                yield Violation(field, f"lies in {reference}")
                break
    for index, output in paths.outputs:
        for reference in references:
            if problem := _output_problem(output, reference):
                yield Violation(f"outputs[{index}].path", problem)
                break


def _is_mounted(entry: Input) -> bool:
    return not entry.content and entry.url is not None and is_reference(entry.url)


def _written(paths: TaskPaths) -> Iterator[tuple[str, str]]:
    for index, entry in paths.inputs:
        yield f"inputs[{index}].path", normalize(entry.path)
    for index, executor in paths.executors:
        for name in ("stdout", "stderr"):
            if path := getattr(executor, name):
                yield f"executors[{index}].{name}", normalize(path)
    for index, volume in paths.volumes:
        yield f"volumes[{index}]", normalize(volume)


def _is_in(path: str, reference: _Reference, field: str) -> bool:
    if field == f"inputs[{reference.number}].path":
        return False
    if reference.type is FileType.DIRECTORY:
        return is_within(path, reference.path)
    # What needs a directory there is refused as for any file.
    return path == reference.path and field.startswith("executors")


def _output_problem(output: Output, reference: _Reference) -> str | None:
    path = output_path(output.path, output.path_prefix)
    has_wildcards = is_pattern(output.path, output.path_prefix)
    alternatives = (path, *expand_braces(path))
    directories = (
        map(literal_directory, alternatives) if has_wildcards else alternatives
    )
    if any(is_within(directory, reference.path) for directory in directories):
        return f"lies in {reference}"
    if _takes(alternatives, reference.path, has_wildcards=has_wildcards):
        return f"would take {reference}, with it; give one of them a path of its own"
    return None


def _takes(paths: Iterable[str], reference: str, *, has_wildcards: bool) -> bool:
    """Tell whether outputs are, or match, a reference or a directory above it."""
    if not has_wildcards:
        return any(is_within(reference, path) for path in paths)
    names = reference.strip("/").split("/")
    above = [names[:end] for end in range(1, len(names) + 1)]
    return any(_matches(path, each) for path in paths for each in above)


def _matches(pattern: str, names: list[str]) -> bool:
    segments = pattern.strip("/").split("/")
    if crosses_folders(pattern):
        return DeepPattern("/".join(segments)).matches("/".join(names))
    return len(segments) == len(names) and all(
        compile_name(segment)(name)
        for segment, name in zip(segments, names, strict=True)
    )
