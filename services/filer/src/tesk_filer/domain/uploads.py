"""Which files of the volume an output means, and where each goes.

Source:
    GA4GH TES 1.1 ``tesOutput``: a FILE goes to exactly ``url``; the content of
    a DIRECTORY goes below ``url`` without a level for its own name; a pattern's
    matches go below ``url`` without their ``path_prefix``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tesk_filer.domain.expansion import Expansion, Limits
from tesk_filer.domain.globs import expand, expand_deep
from tesk_filer.domain.tree import Kind, Node, Tree
from tesk_model.locations import Location, parse_location, printable
from tesk_model.paths import is_pattern, literal_directory, normalize, output_path
from tesk_model.patterns import (
    braced_end,
    braced_url,
    crosses_folders,
    expand_braces,
    unescape,
)
from tesk_model.task import FileType, Output

_FOLDERS = "was matched across folders by **, an extension of TESK"
_BRACES = "was matched with its braces as alternatives, an extension of TESK"


@dataclass(frozen=True, slots=True)
class Upload:
    """One file, or one empty directory, and its target; size in bytes.

    Attributes:
        identity: Of the file; see ``Node``.
    """

    path: str
    target: Location
    size: int = 0
    is_directory: bool = False
    identity: tuple[int, int] = field(default=(0, 0), compare=False)


@dataclass(frozen=True, slots=True)
class Notice:
    """What people should know of an output.

    Attributes:
        message: What is so, starting with the path.
        missing: The output itself is not there.
    """

    message: str
    missing: bool = False


_Way = tuple[str, frozenset[tuple[int, int]]]
"""A path, and the directories that lead to it."""


@dataclass(frozen=True, slots=True)
class _Walks:
    """What all steps of planning one output need."""

    tree: Tree
    expansion: Expansion
    extended: bool = True


def plan_uploads(
    output: Output,
    target: Location,
    tree: Tree,
    *,
    extended: bool = True,
    expansion: Expansion | None = None,
) -> Iterator[Upload | Notice]:
    """Find what to upload, lazily, in order of path.

    Args:
        output: What the task wants.
        target: Its url.
        tree: What is there.
        extended: Also understand ``**`` and braces; see ``tesk_model.patterns``.
        expansion: Bounds what it may become.

    Raises:
        TooLargeError: It is more than that.
    """
    walks = _Walks(tree, expansion or Expansion(Limits()), extended)
    path = output_path(output.path, output.path_prefix)
    if is_pattern(output.path, output.path_prefix):
        yield from _matches(path, output, target, walks)
    elif extended and tree.node(path) is None and (names := expand_braces(path)):
        yield from _alternatives(path, names, output, walks)
    else:
        yield from _one(path, output.type, target, walks)


def _one(
    path: str, kind: FileType, target: Location, walks: _Walks
) -> Iterator[Upload | Notice]:
    node = walks.tree.node(path)
    if node is None:
        yield Notice(f"{path} does not exist", missing=True)
    elif node.kind is Kind.SPECIAL:
        yield Notice(f"{path} is a {node.kind.value}, not uploaded", missing=True)
    elif node.kind is Kind.DIRECTORY:
        if kind is FileType.FILE:
            yield Notice(f"{path} is a directory although its type is FILE")
        yield from _walk(path, target, walks)
    elif kind is FileType.DIRECTORY:
        yield Notice(f"{path} is a file although its type is DIRECTORY", missing=True)
    else:
        yield _file(path, target, node, walks)


def _file(path: str, target: Location, node: Node, walks: _Walks) -> Upload:
    walks.expansion.take()
    return Upload(path, target, node.size, identity=node.identity)


def _alternatives(
    path: str, names: Sequence[str], output: Output, walks: _Walks
) -> Iterator[Upload | Notice]:
    """Take what a path without wildcards means with its braces expanded.

    Each goes to the url with the same alternative, if its end has the same braces
    as the path. Else several would go to one url, and none is taken.
    """
    start, braced = braced_end(path), braced_url(path, output.url)
    urls = [braced.above + braced.written(name[start:]) for name in names if braced]
    found = [at for at, name in enumerate(names) if walks.tree.node(name)]
    if not found:
        yield Notice(f"{path} does not exist", missing=True)
    elif len(found) > 1 and not urls:
        yield Notice(
            f"{path} does not exist, and the url has no braces to tell apart what "
            "its alternatives would be; give path_prefix and a wildcard",
            missing=True,
        )
    else:
        yield Notice(f"{path} {_BRACES}")
        for at in found:
            target = parse_location(urls[at] if urls else output.url)
            yield from _one(names[at], output.type, target, walks)


def _matches(
    pattern: str, output: Output, target: Location, walks: _Walks
) -> Iterator[Upload | Notice]:
    given = output.path_prefix
    prefix = normalize(unescape(given)) if given else literal_directory(pattern)
    matches, used = _expand(pattern, walks)
    if not matches:
        yield Notice(f"nothing matches {pattern}", missing=True)
    for extension in used:
        yield Notice(f"{pattern} {extension}")
    for match in matches:
        node = walks.tree.node(match)
        below = target.of_match(match, prefix)
        if node is None:
            yield Notice(_leads_nowhere(match))
        elif node.kind is Kind.SPECIAL:
            yield Notice(f"{printable(match)} is a {node.kind.value}, not uploaded")
        elif node.kind is Kind.DIRECTORY:
            yield from _walk(match, below, walks, above=_above(match, walks.tree))
        else:
            yield _file(match, below, node, walks)


def _above(path: str, tree: Tree) -> frozenset[tuple[int, int]]:
    """Return the directories that lead to a match."""
    segments = path.split("/")[:-1]
    above = (
        tree.node("/".join(segments[:end]) or "/")
        for end in range(1, len(segments) + 1)
    )
    return frozenset(node.identity for node in above if node is not None)


def _expand(pattern: str, walks: _Walks) -> tuple[Sequence[str], Sequence[str]]:
    """Return what matches, and which extensions it took."""
    tree, expansion = walks.tree, walks.expansion
    one = expand_deep if walks.extended and crosses_folders(pattern) else expand
    used = [_FOLDERS] if one is expand_deep else []
    matches = one(pattern, tree, expansion)
    if walks.extended and not matches:
        names = expand_braces(pattern)
        matches = sorted(
            {match for name in names for match in one(name, tree, expansion)}
        )
        used += [_BRACES] if matches else []
    return matches, used if matches else ()


def _walk(
    top: str,
    target: Location,
    walks: _Walks,
    *,
    above: frozenset[tuple[int, int]] = frozenset(),
) -> Iterator[Upload | Notice]:
    # Of each path the things it passes through, to notice links that go round.
    pending: list[Iterator[_Way]] = [iter([(top, above)])]
    while pending:
        following = next(pending[-1], None)
        if following is None:
            pending.pop()
            continue
        path, above = following
        node = walks.tree.node(path)
        place = target.below(path[len(top) :].lstrip("/")) if path != top else target
        if node is None:
            yield Notice(_leads_nowhere(path))
        elif node.kind is Kind.SPECIAL:
            yield Notice(f"{printable(path)} is a {node.kind.value}, not uploaded")
        elif node.kind is Kind.FILE:
            yield _file(path, place, node, walks)
        elif node.identity in above:
            yield Notice(f"{printable(path)} is a link that goes round, not followed")
        else:
            walks.expansion.enter(node.identity, path.count("/"))
            names = walks.tree.names(path)
            if not names:
                yield Upload(path, place, is_directory=True)
            pending.append(_entries(path, names, above | {node.identity}))


def _entries(
    path: str, names: Sequence[str], above: frozenset[tuple[int, int]]
) -> Iterator[_Way]:
    """Yield the entries of a directory, of which there may be a million."""
    for name in names:
        yield f"{path}/{name}", above


def _leads_nowhere(path: str) -> str:
    return (
        f"{printable(path)} is a link to something that does not exist in the "
        "task's files, not uploaded"
    )
