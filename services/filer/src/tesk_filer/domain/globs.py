"""Output patterns, as a POSIX shell expands them, and two extensions.

Segments are matched one by one, so a wildcard never meets a ``/``, and every
step is a lookup in the tree, so an expansion never leaves it. The extensions,
``**`` and braces, are those of ``tesk_model.patterns``.

Source:
    POSIX.1-2017 XCU 2.13 "Pattern Matching Notation", which TES 1.1 names.
"""

from collections.abc import Iterator
from itertools import islice

from tesk_filer.domain.expansion import Expansion, Limits
from tesk_filer.domain.tree import Kind, Tree
from tesk_model.patterns import literal_name
from tesk_runtime.wildcards import DeepPattern, compile_name

_Match = tuple[str, frozenset[tuple[int, int]]]
"""A path, and the identities of the directories that were listed above it."""


def expand_deep(
    pattern: str, tree: Tree, expansion: Expansion | None = None
) -> list[str]:
    """Return the paths that match an absolute ``pattern`` with ``**``, sorted.

    Links to directories are not followed on the way. What lies in a directory
    that matches is not listed again.

    Raises:
        TooLargeError: It matches too much.
    """
    expansion = expansion or Expansion(Limits())
    segments = [segment for segment in pattern.split("/") if segment]
    base = ""
    while (name := literal_name(segments[0])) is not None:
        base += f"/{name}"
        del segments[0]
    deep = DeepPattern("/".join(segments))
    found = list(islice(_below(base, deep, tree, expansion), expansion.left + 1))
    expansion.check(len(found))
    return sorted(found)


def _below(
    base: str, pattern: DeepPattern, tree: Tree, expansion: Expansion
) -> Iterator[str]:
    pending = [base]
    while pending:
        directory = pending.pop()
        expansion.enter(directory, directory.count("/"))
        for name in expansion.names(tree, directory or "/"):
            path = f"{directory}/{name}"
            if pattern.matches(path[len(base) + 1 :]):
                yield path
            elif not tree.is_link(path):
                node = tree.node(path)
                if node is not None and node.kind is Kind.DIRECTORY:
                    pending.append(path)


def expand(pattern: str, tree: Tree, expansion: Expansion | None = None) -> list[str]:
    """Return the paths that match an absolute ``pattern``, sorted.

    A link that leads nowhere matches by its name, as in a shell. No wildcard
    enters a directory that is one of those above it: symlink cycles have no end.

    Raises:
        TooLargeError: It matches too much.
    """
    expansion = expansion or Expansion(Limits())
    found: list[_Match] = [("", frozenset())]
    segments = [segment for segment in pattern.split("/") if segment]
    for position, segment in enumerate(segments):
        is_last = position == len(segments) - 1
        literal = literal_name(segment)
        if literal is not None:
            found = [(f"{base}/{literal}", above) for base, above in found]
            if is_last:
                found = [way for way in found if tree.node(way[0]) is not None]
            continue
        matches = compile_name(segment)
        matching = (
            (f"{way[0]}/{name}", below)
            for way in found
            for name, below in _listed(way, tree, expansion)
            if matches(name)
        )
        found = list(islice(matching, expansion.left + 1))
        expansion.check(len(found))
    return sorted(path for path, _ in found)


def _listed(way: _Match, tree: Tree, expansion: Expansion) -> Iterator[_Match]:
    """List a directory that is not above itself; each name with those above it."""
    directory, above = way
    node = tree.node(directory or "/")
    if node is None or node.kind is not Kind.DIRECTORY or node.identity in above:
        return
    expansion.enter(node.identity, directory.count("/"))
    below = above | {node.identity}
    for name in expansion.names(tree, directory or "/"):
        yield name, below
