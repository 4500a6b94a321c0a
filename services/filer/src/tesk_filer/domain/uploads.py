"""Plans which files of an output are uploaded, and where to.

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
    """A message about an output, for people.

    Attributes:
        message: Starts with the path.
        missing: The output itself does not exist.
    """

    message: str
    missing: bool = False


_Visit = tuple[str, frozenset[tuple[int, int]]]
"""A path, and the identities of the directories above it."""


@dataclass(frozen=True, slots=True)
class _Context:
    """The context of planning one output."""

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
    """Find the files to upload, lazily, in order of path.

    Args:
        output: The output of the task.
        target: Its url.
        tree: The task volume.
        extended: Support ``**`` and braces; see ``tesk_model.patterns``.
        expansion: Limits the number of files.

    Raises:
        TooLargeError: A limit is exceeded.
    """
    context = _Context(tree, expansion or Expansion(Limits()), extended)
    path = output_path(output.path, output.path_prefix)
    if is_pattern(output.path, output.path_prefix):
        yield from _matches(path, output, target, context)
    elif extended and tree.node(path) is None and (names := expand_braces(path)):
        yield from _alternatives(path, names, output, context)
    else:
        yield from _one(path, output.type, target, context)


def _one(
    path: str, kind: FileType, target: Location, context: _Context
) -> Iterator[Upload | Notice]:
    node = context.tree.node(path)
    if node is None:
        yield Notice(f"{path} does not exist", missing=True)
    elif node.kind is Kind.SPECIAL:
        yield Notice(f"{path} is a {node.kind.value}, not uploaded", missing=True)
    elif node.kind is Kind.DIRECTORY:
        if kind is FileType.FILE:
            yield Notice(f"{path} is a directory although its type is FILE")
        yield from _walk(path, target, context)
    elif kind is FileType.DIRECTORY:
        yield Notice(f"{path} is a file although its type is DIRECTORY", missing=True)
    else:
        yield _file(path, target, node, context)


def _file(path: str, target: Location, node: Node, context: _Context) -> Upload:
    context.expansion.take()
    return Upload(path, target, node.size, identity=node.identity)


def _alternatives(
    path: str, names: Sequence[str], output: Output, context: _Context
) -> Iterator[Upload | Notice]:
    """Plan a path without wildcards whose braces are expanded.

    Each file goes to the url with the same alternative, if its end has the same braces
    as the path. Else several files would have one url, and none is uploaded.
    """
    start, braced = braced_end(path), braced_url(path, output.url)
    urls = [braced.above + braced.written(name[start:]) for name in names if braced]
    found = [at for at, name in enumerate(names) if context.tree.node(name)]
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
            yield from _one(names[at], output.type, target, context)


def _matches(
    pattern: str, output: Output, target: Location, context: _Context
) -> Iterator[Upload | Notice]:
    given = output.path_prefix
    prefix = normalize(unescape(given)) if given else literal_directory(pattern)
    matches, used = _expand(pattern, context)
    if not matches:
        yield Notice(f"nothing matches {pattern}", missing=True)
    for extension in used:
        yield Notice(f"{pattern} {extension}")
    for match in matches:
        node = context.tree.node(match)
        below = target.of_match(match, prefix)
        if node is None:
            yield Notice(_broken_link(match))
        elif node.kind is Kind.SPECIAL:
            yield Notice(f"{printable(match)} is a {node.kind.value}, not uploaded")
        elif node.kind is Kind.DIRECTORY:
            yield from _walk(match, below, context, above=_above(match, context.tree))
        else:
            yield _file(match, below, node, context)


def _above(path: str, tree: Tree) -> frozenset[tuple[int, int]]:
    """Return the identities of the directories above a match."""
    segments = path.split("/")[:-1]
    above = (
        tree.node("/".join(segments[:end]) or "/")
        for end in range(1, len(segments) + 1)
    )
    return frozenset(node.identity for node in above if node is not None)


def _expand(pattern: str, context: _Context) -> tuple[Sequence[str], Sequence[str]]:
    """Return what matches, and which extensions were used."""
    tree, expansion = context.tree, context.expansion
    one = expand_deep if context.extended and crosses_folders(pattern) else expand
    used = [_FOLDERS] if one is expand_deep else []
    matches = one(pattern, tree, expansion)
    if context.extended and not matches:
        names = expand_braces(pattern)
        matches = sorted(
            {match for name in names for match in one(name, tree, expansion)}
        )
        used += [_BRACES] if matches else []
    return matches, used if matches else ()


def _walk(
    top: str,
    target: Location,
    context: _Context,
    *,
    above: frozenset[tuple[int, int]] = frozenset(),
) -> Iterator[Upload | Notice]:
    # Each path with the directories above it, to detect symlink cycles.
    pending: list[Iterator[_Visit]] = [iter([(top, above)])]
    while pending:
        following = next(pending[-1], None)
        if following is None:
            pending.pop()
            continue
        path, above = following
        node = context.tree.node(path)
        place = target.below(path[len(top) :].lstrip("/")) if path != top else target
        if node is None:
            yield Notice(_broken_link(path))
        elif node.kind is Kind.SPECIAL:
            yield Notice(f"{printable(path)} is a {node.kind.value}, not uploaded")
        elif node.kind is Kind.FILE:
            yield _file(path, place, node, context)
        elif node.identity in above:
            yield Notice(f"{printable(path)} is a symlink cycle, not followed")
        else:
            context.expansion.enter(node.identity, path.count("/"))
            names = context.expansion.names(context.tree, path)
            if not names:
                yield Upload(path, place, is_directory=True)
            pending.append(_entries(path, names, above | {node.identity}))


def _entries(
    path: str, names: Sequence[str], above: frozenset[tuple[int, int]]
) -> Iterator[_Visit]:
    """Yield the entries of a directory, of which there may be a million."""
    for name in names:
        yield f"{path}/{name}", above


def _broken_link(path: str) -> str:
    return (
        f"{printable(path)} is a link to something that does not exist in the "
        "task's files, not uploaded"
    )
