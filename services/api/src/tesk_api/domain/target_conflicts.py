"""Finds outputs of a task that would overwrite each other.

Conflicts that depend on the run (patterns, contents of directories) are found when
outputs are uploaded. Here are those that are certain if all declared outputs exist.
Two outputs that agree do not conflict: engines list a file beside the directory that
holds it, and a file twice, each with the url to which the other one writes it as well.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from tesk_model.errors import Violation
from tesk_model.locations import InvalidLocationError, parse_location, with_parents
from tesk_model.paths import is_pattern, output_path
from tesk_model.schemes import SCHEMES
from tesk_model.task import FileType, Output

# Directories above a url that are checked; paths are not deeper either.
_MAX_PARENTS = 100


class _Target(NamedTuple):
    """One output: ``path`` in the task is written to ``url``."""

    number: int
    path: str
    url: str
    type: FileType


def target_conflicts(outputs: Iterable[tuple[int, Output]]) -> Iterator[Violation]:
    """Yield outputs that certainly overwrite another one."""
    plain = [
        each for each in outputs if not is_pattern(each[1].path, each[1].path_prefix)
    ]
    if len(plain) < 2:  # noqa: PLR2004 - two can conflict
        return
    targets = [target for each in plain if (target := _target_of(*each))]
    first: dict[str, _Target] = {}
    for target in targets:
        first.setdefault(target.url, target)
    files = {target.path for target in targets if target.type is FileType.FILE}
    for target in targets:
        for above in islice(with_parents(target.url), _MAX_PARENTS):
            other = first.get(above)
            if other is not None and _collide(target, other, files):
                problem = _describe_conflict(target, other)
                yield Violation(f"outputs[{target.number}].url", problem)
                break


def _collide(target: _Target, other: _Target, files: set[str]) -> bool:
    """Tell whether ``target`` cannot be written at or below ``other``."""
    below = target.url[len(other.url) :]
    if target.path == other.path + below:
        return False  # the same file, or itself
    # In a tree a name is a file or a directory; in an object store it may be both.
    is_tree = SCHEMES[other.url.partition(":")[0]].is_tree
    if not below:
        both = {target.type, other.type}
        return both == {FileType.FILE} or (is_tree and len(both) > 1)
    if other.type is FileType.FILE:
        return is_tree
    # The directory brings a declared file to the same url.
    return target.type is FileType.FILE and other.path + below in files


def _describe_conflict(target: _Target, other: _Target) -> str:
    name = f"outputs[{other.number}].url"
    if target.url == other.url:
        return f"is also {name}; each output needs its own"
    if other.type is FileType.FILE:
        return f"is below {name}, which is a file"
    return f"is where the directory {name} brings another output"


def _target_of(number: int, output: Output) -> _Target | None:
    """Return the target of an output; None if its url is not valid."""
    try:
        url = parse_location(output.url).target
    except InvalidLocationError:
        return None
    return _Target(
        number, output_path(output.path, output.path_prefix), url, output.type
    )
