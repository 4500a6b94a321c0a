"""Output patterns, as a POSIX shell expands them, and two extensions.

Segments are matched one by one, so a wildcard never meets a ``/``, and every
step is a lookup in the tree, so an expansion never leaves it. The extensions,
``**`` and braces, are those of ``tesk_model.patterns``.

Source:
    POSIX.1-2017 XCU 2.13 "Pattern Matching Notation", which TES 1.1 names.
"""

from collections.abc import Callable, Iterator

from tesk_filer.domain.tree import Kind, Tree
from tesk_model.patterns import DeepPattern

_WILDCARDS = frozenset("*?[")


def expand_deep(pattern: str, tree: Tree) -> list[str]:
    """Return the paths that match an absolute ``pattern`` with ``**``, sorted.

    Links to directories are not followed on the way. What lies in a directory
    that matches is not listed again.
    """
    segments = [segment for segment in pattern.split("/") if segment]
    literal = 0
    while _WILDCARDS.isdisjoint(segments[literal]):
        literal += 1
    base = "".join(f"/{segment}" for segment in segments[:literal])
    return sorted(_below(base, DeepPattern("/".join(segments[literal:])), tree))


def _below(base: str, pattern: DeepPattern, tree: Tree) -> Iterator[str]:
    pending = [base]
    while pending:
        directory = pending.pop()
        for name in tree.names(directory or "/"):
            path = f"{directory}/{name}"
            if pattern.matches(path[len(base) + 1 :]):
                yield path
            elif not tree.is_link(path):
                node = tree.node(path)
                if node is not None and node.kind is Kind.DIRECTORY:
                    pending.append(path)


def expand(pattern: str, tree: Tree) -> list[str]:
    """Return the paths that match an absolute ``pattern``, sorted.

    A link that leads nowhere matches by its name, as in a shell.
    """
    found = [""]
    segments = [segment for segment in pattern.split("/") if segment]
    for position, segment in enumerate(segments):
        is_last = position == len(segments) - 1
        if _WILDCARDS.isdisjoint(segment):
            found = [f"{base}/{segment}" for base in found]
            if is_last:
                found = [path for path in found if tree.node(path) is not None]
            continue
        matches = _matcher(segment)
        found = [
            f"{base}/{name}"
            for base in found
            for name in tree.names(base or "/")
            if matches(name)
        ]
    return sorted(found)


def _matcher(segment: str) -> Callable[[str], bool]:
    """Return the test for one segment of a pattern.

    wcmatch agrees with sh and bash about classes, ranges, negation, unclosed
    brackets and leading dots; the standard library's fnmatch does not.
    """
    from wcmatch import fnmatch  # noqa: PLC0415 - 40 ms that few tasks need to pay

    matcher = fnmatch.compile(segment, flags=fnmatch.CASE)
    return lambda name: bool(matcher.match(name))
