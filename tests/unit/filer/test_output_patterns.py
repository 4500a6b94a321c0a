"""What the patterns of outputs mean, and that they never leave the volume."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.patterns import NAME_CASES
from tesk_filer.adapters.volume import FolderVolume
from tesk_filer.domain.globs import expand
from tesk_filer.domain.uploads import Upload, plan_uploads
from tesk_model.locations import parse_location
from tesk_model.paths import is_within
from tesk_model.task import Output

NAMES = st.text("ab.[]!-*?\\ z", min_size=1, max_size=4).filter(
    lambda name: name not in (".", "..")
)


# Not in the alphabet: what dash and bash themselves disagree about.
SEGMENTS = (
    st.lists(
        st.sampled_from(
            [
                "a",
                "b",
                ".",
                "*",
                "?",
                "[ab]",
                "[!a]",
                "[a-z]",
                "[]a]",
                "[[:alpha:]]",
                "[",
                "z",
            ]
        ),
        min_size=1,
        max_size=4,
    )
    .map("".join)
    .filter(lambda segment: segment not in (".", ".."))
)


@pytest.mark.parametrize(
    ("pattern", "name", "want"), NAME_CASES.values(), ids=NAME_CASES
)
def test_a_name_is_matched_as_the_table_says(
    tmp_path: Path, pattern: str, name: str, *, want: bool
) -> None:
    (tmp_path / name).touch()

    assert expand(f"/{pattern}", FolderVolume(tmp_path)) == (
        [f"/{name}"] if want else []
    )


ESCAPED = {
    "an escaped wildcard is a name": (
        Output(path="/w/a\\*.txt", url="/o/x"),
        [("/w/a*.txt", "/o/x")],
    ),
    "with a prefix as well": (
        Output(path="/w/a\\*.txt", url="/o/x", path_prefix="/w"),
        [("/w/a*.txt", "/o/x")],
    ),
    "a pattern may escape some": (
        Output(path="/w/a\\**", url="/o", path_prefix="/w"),
        [("/w/a*.txt", "/o/a*.txt")],
    ),
    "a prefix, too": (
        Output(path="/w/\\[d]/*", url="/o", path_prefix="/w/\\[d]"),
        [("/w/[d]/y", "/o/y")],
    ),
    "another backslash is a character": (
        Output(path="/w/b\\c", url="/o/x"),
        [("/w/b\\c", "/o/x")],
    ),
}


@pytest.mark.parametrize(("output", "want"), ESCAPED.values(), ids=ESCAPED)
def test_a_backslash_takes_the_meaning_of_a_wildcard(
    tmp_path: Path, output: Output, want: list[tuple[str, str]]
) -> None:
    for name in ("w/a*.txt", "w/ab.txt", "w/[d]/y", "w/b\\c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    target, volume = parse_location(output.url), FolderVolume(tmp_path)
    items = plan_uploads(output, target, volume, extended=True)

    assert [
        (each.path, each.target.url) for each in items if isinstance(each, Upload)
    ] == want


@settings(max_examples=60, deadline=None)
@given(
    paths=st.sets(st.lists(NAMES, min_size=1, max_size=2).map("/".join), max_size=8),
    pattern=st.lists(SEGMENTS, min_size=1, max_size=2).map("/".join),
)
def test_patterns_mean_what_a_shell_means(
    tmp_path_factory: pytest.TempPathFactory, paths: set[str], pattern: str
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for path in sorted(paths, key=len):
        file = root / path
        if not file.parent.is_file() and not file.exists():
            file.parent.mkdir(exist_ok=True)
            file.touch()

    found = expand("/" + pattern, FolderVolume(root))

    shell = subprocess.run(
        ["bash", "-c", "shopt -s nullglob; IFS=; printf '%s\\0' $1", "sh", pattern],
        cwd=root,
        env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]},
        capture_output=True,
        check=True,
    ).stdout.decode()
    want = {path for path in shell.split("\0") if path and (root / path).exists()}
    assert {path[1:] for path in found} == want


@settings(max_examples=60, deadline=None)
@given(
    targets=st.lists(
        st.sampled_from(["/", "..", "../..", "/etc", "a", ".", "/a/..", "../../etc"]),
        max_size=4,
    ),
    pattern=st.lists(
        st.sampled_from(["*", "?", "a", "b", ".*"]), min_size=1, max_size=4
    ),
)
def test_patterns_never_leave_the_volume(
    tmp_path_factory: pytest.TempPathFactory, targets: list[str], pattern: list[str]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    (root / "a").mkdir()
    (root / "a/b").touch()
    (root.parent / "outside").touch()
    for number, target in enumerate(targets):
        (root / f"a/{number}").symlink_to(target)
    inside = {(found.st_dev, found.st_ino) for found in map(os.stat, _tree(root))}
    volume = FolderVolume(root)

    for path in expand("/" + "/".join(pattern), volume):
        node = volume.node(path)

        assert is_within(path, "/")
        assert node is None or node.identity in inside


def _tree(root: Path) -> list[str]:
    return [
        str(root),
        *(str(path) for path in root.rglob("*") if not path.is_symlink()),
    ]
