"""Whether two outputs of a task would be written over each other.

What only the run can show (patterns, contents of directories) is seen when
outputs are uploaded. Here is what is certain if all declared outputs exist.
Two outputs that agree are no conflict: engines list a file beside the
directory that holds it, and a file twice, each to the url where the other one
puts it as well.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from tesk_model.errors import Violation
from tesk_model.locations import InvalidLocationError, parse_location, with_parents
from tesk_model.paths import is_pattern, output_path
from tesk_model.schemes import SCHEMES
from tesk_model.task import FileType, Output

# Directories above a url that are looked at; paths are not deeper either.
_MAX_PARENTS = 100


class _Place(NamedTuple):
    """What one output writes: the ``path`` in the task to ``target``."""

    number: int
    path: str
    target: str
    type: FileType


def target_conflicts(outputs: Iterable[tuple[int, Output]]) -> Iterator[Violation]:
    """Yield outputs that surely overwrite what another one writes."""
    plain = [
        each for each in outputs if not is_pattern(each[1].path, each[1].path_prefix)
    ]
    if len(plain) < 2:  # noqa: PLR2004 - two can meet
        return
    places = [place for each in plain if (place := _place(*each))]
    first: dict[str, _Place] = {}
    for place in places:
        first.setdefault(place.target, place)
    files = {place.path for place in places if place.type is FileType.FILE}
    for place in places:
        for above in islice(with_parents(place.target), _MAX_PARENTS):
            other = first.get(above)
            if other is not None and _collide(place, other, files):
                words = _words(place, other)
                yield Violation(f"outputs[{place.number}].url", words)
                break


def _collide(place: _Place, other: _Place, files: set[str]) -> bool:
    """Tell whether ``place`` cannot be written at or below ``other``."""
    below = place.target[len(other.target) :]
    if place.path == other.path + below:
        return False  # the same file, or itself
    # Where a name is either a file or a directory; in an object store it may be both.
    is_tree = SCHEMES[other.target.partition(":")[0]].is_tree
    if not below:
        both = {place.type, other.type}
        return both == {FileType.FILE} or (is_tree and len(both) > 1)
    if other.type is FileType.FILE:
        return is_tree
    # The directory brings a declared file to the same url.
    return place.type is FileType.FILE and other.path + below in files


def _words(place: _Place, other: _Place) -> str:
    name = f"outputs[{other.number}].url"
    if place.target == other.target:
        return f"is also {name}; each output needs its own"
    if other.type is FileType.FILE:
        return f"is below {name}, which is a file"
    return f"is where the directory {name} brings another output"


def _place(number: int, output: Output) -> _Place | None:
    """Return where an output goes; None if its url is wrong."""
    try:
        target = parse_location(output.url).target
    except InvalidLocationError:
        return None
    return _Place(
        number, output_path(output.path, output.path_prefix), target, output.type
    )
