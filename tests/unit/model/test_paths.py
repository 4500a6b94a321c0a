"""Container paths are validated and normalized."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_model import paths

PROBLEMS = {
    "relative": ("data/a", "absolute"),
    "NUL": ("/a\0b", "NUL"),
    "parent segment": ("/a/../b", '".."'),
    "root itself": ("/", '"/"'),
    "root in disguise": ("//.", '"/"'),
    "process table": ("/proc/1/environ", "/proc"),
    "device": ("/dev/sda", "/dev"),
    "service account": ("/var/run/secrets/kubernetes.io/x", "kubernetes.io"),
    "name too long": ("/" + "n" * 256, "255"),
    "path too long": ("/a" * 2048, "4095"),
}


@pytest.mark.parametrize(("path", "want"), PROBLEMS.values(), ids=PROBLEMS)
def test_a_bad_path_is_told_why(path: str, want: str) -> None:
    assert want in (paths.path_problem(path) or "")


GOOD = [
    "/data.txt",
    "/dev/shm/x",
    "/vol/A/",
    "/a b:c,ü",
    "/proc2/x",
    "/..a/b..",
    "/a//b",
]


@pytest.mark.parametrize("path", GOOD)
def test_a_good_path_has_no_problem(path: str) -> None:
    assert paths.path_problem(path) is None


SYSTEM = {
    "/": True,
    "/etc": True,
    "/usr/local/x": True,
    "/lib64": True,
    "/library": False,
    "/opt/conda": True,
    "/var": True,
    "/var/lib/cwl": False,
    "/home": True,
    "/home/biodocker": True,
    "/home/biodocker/data": False,
    "/tmp": False,
    "/work": False,
    "/root/x": True,
}


@pytest.mark.parametrize(("path", "want"), SYSTEM.items(), ids=SYSTEM)
def test_system_directories_are_those_that_images_own(path: str, *, want: bool) -> None:
    assert paths.is_system_directory(path) is want


PATTERNS = {
    "star": ("/o/*.txt", None, True),
    "question mark": ("/o/?.txt", None, True),
    "bracket with prefix": ("/o/[ab].txt", "/o", True),
    "bracket alone is a name": ("/o/[ab].txt", None, False),
    "bracket with an empty prefix is a name": ("/o/[ab].txt", "", False),
    "plain": ("/o/a.txt", "/o", False),
    "escaped star": (r"/o/a\*.txt", "/o", False),
    "escaped question mark": (r"/o/a\?", None, False),
    "escaped bracket": (r"/o/\[a]", "/o", False),
    "escaped backslash before a star": (r"/o/a\\*", "/o", True),
    "escaped star and another": (r"/o/\**", "/o", True),
}


@pytest.mark.parametrize(("path", "prefix", "want"), PATTERNS.values(), ids=PATTERNS)
def test_a_path_with_wildcards_is_a_pattern(
    path: str, prefix: str | None, *, want: bool
) -> None:
    assert paths.is_pattern(path, prefix) is want


LITERAL = {
    "/o/*.txt": "/o",
    "/o/a*/b": "/o",
    "/*.txt": "/",
    "/a/b/c?": "/a/b",
    "/a/[x]/*": "/a",
    r"/a/\[x]/*": "/a/[x]",
    r"/a/b\*": "/a",
}


@pytest.mark.parametrize(("pattern", "want"), LITERAL.items(), ids=LITERAL)
def test_literal_directory_is_above_the_first_wildcard(pattern: str, want: str) -> None:
    assert paths.literal_directory(pattern) == want


SEGMENTS = st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1)


@given(st.lists(SEGMENTS))
def test_normalizing_twice_is_normalizing_once(segments: list[str]) -> None:
    once = paths.normalize("/" + "/".join(segments))

    assert paths.normalize(once) == once
    assert once.startswith("/")
    assert once == "/" or not once.endswith("/")


@given(st.lists(SEGMENTS, min_size=1))
def test_a_path_is_within_its_parent_and_itself(segments: list[str]) -> None:
    path = paths.normalize("/" + "/".join(segments))

    assert paths.is_within(path, path)
    assert paths.is_within(path, paths.parent(path))
    assert paths.is_within(path, "/")
