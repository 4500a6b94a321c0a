"""What patterns with ``**`` match: one table for all that understand them."""

from tesk_model.patterns import DeepPattern

DEEP_CASES: dict[str, tuple[str, str, bool]] = {
    "a folder below": ("r/**/*.txt", "r/x/a.txt", True),
    "two folders below": ("r/**/*.txt", "r/x/y/a.txt", True),
    "no folder in between": ("r/**/*.txt", "r/a.txt", False),
    "beside the name, here": ("r/**.txt", "r/a.txt", True),
    "beside the name, below": ("r/**.txt", "r/x/y/a.txt", True),
    "in front": ("**/b", "x/y/b", True),
    "in front, nothing before": ("**/b", "b", False),
    "at the end": ("x/**", "x/y/z", True),
    "alone": ("**", "x/y", True),
    "in the middle of a name": ("x**z", "xa/b/cz", True),
    "for nothing": ("x**z", "xz", True),
    "twice": ("**/x/**/y", "a/x/b/c/y", True),
    "twice, once missing": ("**/x/**/y", "a/x/y", False),
    "three stars are two": ("***.c", "a/b.c", True),
    "a star after it stays in its folder": ("**x*/y", "ax1/x2/y", True),
    "a star does not cross": ("**/a*c", "q/ab/c", False),
    "an earlier start is tried again": ("**ab*c", "ab/abxc", True),
    "hidden folder": ("**/a", "x/.h/a", False),
    "hidden name": ("**", "x/.h", False),
    "hidden name below a star": ("**/*", "x/.h", False),
    "hidden name by its dot": ("**/.h", "x/.h", True),
    "a dot after stars is no dot of a name": ("**.txt", "x/.txt", False),
    "question mark": ("**/?", "x/y", True),
    "question mark for a character of two bytes": ("**/?", "x/ü", True),
    "question mark for no dot": ("**/?h", "x/.h", False),
    "question mark for no slash": ("**a?b", "a/b", False),
    "bracket": ("**/[ab]", "x/b", True),
    "bracket, negated": ("**/[!a]", "x/b", True),
    "bracket, negated by a caret": ("**/[^a]", "x/a", False),
    "bracket with a range": ("**/[a-c]", "x/b", True),
    "bracket with a class": ("**/[[:digit:]x]", "x/7", True),
    "bracket that holds a bracket": ("**/[]]", "x/]", True),
    "bracket for a star": ("**/[*]", "x/*", True),
    "bracket for a star alone": ("**/[*]", "x/y", False),
    "bracket that is never closed": ("**/[a", "x/[a", True),
    "bracket over a slash": ("**[a/b]", "x/a", False),
    "the whole path": ("r/**/a", "r/x/a/b", False),
}
"""Pattern, path, and whether it is matched; both relative."""


def is_reached(pattern: str, path: str) -> bool:
    """Tell whether the pattern matches a path or a folder that it lies in."""
    parts = path.split("/")
    above = ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
    return any(map(DeepPattern(pattern).matches, above))
