"""Whether two outputs of a task would be written over each other.

What only the run can show (patterns, contents of directories) is seen when
outputs are uploaded. Here is what is certain if all declared outputs exist.
Two outputs that agree are no conflict: engines list a file beside the
directory that holds it, and a file twice, each to the url where the other one
puts it as well.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import unquote

from tesk_model.errors import Violation
from tesk_model.paths import is_pattern, normalize
from tesk_model.task import FileType, Output

# Where a name is either a file or a directory; in an object store it may be both.
_TREES = frozenset({"file", "ftp", "ftps", "sftp", "scp", "hdfs"})
_PERCENT_ENCODED = frozenset({"file", "ftp", "ftps", "sftp"})
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)(.*)", re.DOTALL)
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
    places = [
        _Place(index, normalize(entry.path), _target(entry.url), entry.type)
        for index, entry in outputs
        if not is_pattern(entry.path, entry.path_prefix)
    ]
    if len(places) < 2:  # noqa: PLR2004 - two can meet
        return
    first: dict[str, _Place] = {}
    for place in places:
        first.setdefault(place.target, place)
    files = {place.path for place in places if place.type is FileType.FILE}
    for place in places:
        for above in _with_parents(place.target):
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
    is_tree = other.target.partition(":")[0] in _TREES
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


def _target(url: str) -> str:
    """Return one form for urls that surely mean the same place."""
    match = _URL.fullmatch(url)
    if match is None:
        return "file://" + normalize(url)
    scheme, host, path = match[1].lower(), match[2], match[3]
    if scheme in _PERCENT_ENCODED:
        path = unquote(path)
    if scheme == "file":
        return "file://" + normalize(path)
    user, at, name = host.rpartition("@")
    return f"{scheme}://{user}{at}{name.lower()}{path.rstrip('/')}"


def _with_parents(target: str) -> Iterator[str]:
    """Yield ``target`` and the directories above it, the nearest first."""
    yield target
    start = target.index("://") + 3
    for _ in range(_MAX_PARENTS):
        end = target.rfind("/", start)
        if end < start:
            return
        target = target[:end]
        yield target
