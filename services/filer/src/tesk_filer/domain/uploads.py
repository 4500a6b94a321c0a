"""Which files of the volume an output means, and where each goes.

Source:
    GA4GH TES 1.1 ``tesOutput``: a FILE goes to exactly ``url``; the content of
    a DIRECTORY goes below ``url`` without a level for its own name; a pattern's
    matches go below ``url`` without their ``path_prefix``.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tesk_filer.domain.globs import expand
from tesk_filer.domain.locations import join, join_match, printable
from tesk_filer.domain.tree import Kind, Tree
from tesk_model.paths import is_pattern, literal_directory, normalize
from tesk_model.task import FileType, Output


@dataclass(frozen=True, slots=True)
class Upload:
    """One file, or one empty directory, and its target; size in bytes."""

    path: str
    url: str
    size: int = 0
    is_directory: bool = False


@dataclass(frozen=True, slots=True)
class Remark:
    """What people should know of an output.

    Attributes:
        message: What is so, starting with the path.
        missing: The output itself is not there.
    """

    message: str
    missing: bool = False


def plan_uploads(output: Output, tree: Tree) -> Iterator[Upload | Remark]:
    """Find what to upload, lazily, in order of path."""
    path = normalize(output.path)
    if is_pattern(output.path, output.path_prefix):
        yield from _matches(path, output, tree)
        return
    node = tree.node(path)
    if node is None:
        yield Remark(f"{path} does not exist", missing=True)
    elif node.kind is Kind.SPECIAL:
        yield Remark(f"{path} is a {node.kind.value}, not uploaded", missing=True)
    elif node.kind is Kind.DIRECTORY:
        if output.type is FileType.FILE:
            yield Remark(f"{path} is a directory although its type is FILE")
        yield from _walk(path, output.url, tree)
    elif output.type is FileType.DIRECTORY:
        yield Remark(f"{path} is a file although its type is DIRECTORY", missing=True)
    else:
        yield Upload(path, output.url, node.size)


def _matches(pattern: str, output: Output, tree: Tree) -> Iterator[Upload | Remark]:
    prefix = normalize(output.path_prefix or literal_directory(pattern))
    matches = expand(pattern, tree)
    if not matches:
        yield Remark(f"nothing matches {pattern}", missing=True)
    for match in matches:
        node = tree.node(match)
        url = join_match(output.url, match, prefix)
        if node is None:
            yield Remark(_leads_nowhere(match))
        elif node.kind is Kind.SPECIAL:
            yield Remark(f"{printable(match)} is a {node.kind.value}, not uploaded")
        elif node.kind is Kind.DIRECTORY:
            yield from _walk(match, url, tree)
        else:
            yield Upload(match, url, node.size)


def _walk(top: str, url: str, tree: Tree) -> Iterator[Upload | Remark]:
    # Of each path the things it passes through, to notice links that go round.
    pending: list[tuple[str, frozenset[tuple[int, int]]]] = [(top, frozenset())]
    while pending:
        path, above = pending.pop()
        node = tree.node(path)
        target = join(url, path[len(top) :].lstrip("/")) if path != top else url
        if node is None:
            yield Remark(_leads_nowhere(path))
        elif node.kind is Kind.SPECIAL:
            yield Remark(f"{printable(path)} is a {node.kind.value}, not uploaded")
        elif node.kind is Kind.FILE:
            yield Upload(path, target, node.size)
        elif node.identity in above:
            yield Remark(f"{printable(path)} is a link that goes round, not followed")
        else:
            names = tree.names(path)
            if not names:
                yield Upload(path, target, is_directory=True)
            below = above | {node.identity}
            pending.extend((f"{path}/{name}", below) for name in reversed(names))


def _leads_nowhere(path: str) -> str:
    return (
        f"{printable(path)} is a link to something that does not exist in the "
        "task's files, not uploaded"
    )
