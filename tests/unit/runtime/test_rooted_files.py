"""Paths, links and names never lead out of the root."""

import contextlib
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from programs.descriptors import few_descriptors
from tesk_runtime.removal import remove_tree
from tesk_runtime.rooted_files import RootedFiles

WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("outside")
    root = tmp_path / "root"
    (root / "work").mkdir(parents=True)
    (root / "work" / "a.txt").write_text("inside")
    return root


def read(root: Path, path: str) -> str:
    with os.fdopen(RootedFiles(root).open(path, os.O_RDONLY)) as file:
        return file.read()


def write(root: Path, path: str, text: str) -> None:
    with os.fdopen(RootedFiles(root).open(path, WRITE), "w") as file:
        file.write(text)


def test_a_plain_file_is_opened(tree: Path) -> None:
    assert read(tree, "/work/a.txt") == "inside"


def test_a_directory_on_the_way_need_not_be_readable(tree: Path) -> None:
    (tree / "work").chmod(0o311)
    with contextlib.suppress(PermissionError):
        os.listdir(tree / "work")  # noqa: PTH208 - pathlib lists lazily
        pytest.skip("this user may read every directory")

    write(tree, "/work/new/b.txt", "b")

    assert read(tree, "/work/a.txt") == "inside"
    assert read(tree, "/work/new/b.txt") == "b"


INSIDE = {
    "absolute link means the tree's root": ("/work/a.txt", "/work/link"),
    "relative link": ("a.txt", "/work/link"),
    "link through the parent": ("../work/a.txt", "/work/link"),
}


@pytest.mark.parametrize(("target", "link"), INSIDE.values(), ids=INSIDE)
def test_a_link_is_followed_as_the_executor_saw_it(
    target: str, link: str, tree: Path
) -> None:
    (tree / link.lstrip("/")).symlink_to(target)

    assert read(tree, link) == "inside"


def test_a_linked_directory_is_followed_inside(tree: Path) -> None:
    (tree / "alias").symlink_to("/work")

    assert read(tree, "/alias/a.txt") == "inside"


OUTSIDE = ["../../secret", "/../secret", "/etc/hostname", "/proc/self/environ"]


@pytest.mark.parametrize("target", OUTSIDE)
def test_a_link_never_leads_out(target: str, tree: Path) -> None:
    (tree / "work" / "link").symlink_to(target)

    with pytest.raises(FileNotFoundError):
        read(tree, "/work/link")


def test_parent_segments_stop_at_the_root(tree: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tree, "/work/../../../secret")


def test_a_loop_of_links_ends(tree: Path) -> None:
    (tree / "a").symlink_to("/b")
    (tree / "b").symlink_to("/a")

    with pytest.raises(OSError, match="symbolic links"):
        read(tree, "/a")


def test_writing_through_a_link_stays_inside(tree: Path) -> None:
    (tree / "work" / "out").symlink_to("/../../secret")

    write(tree, "/work/out", "new")

    assert (tree.parent / "secret").read_text() == "outside"
    assert (tree / "secret").read_text() == "new"


def test_missing_directories_are_made_for_any_user(tree: Path) -> None:
    write(tree, "/new/deep/file", "x")

    assert (tree / "new" / "deep" / "file").read_text() == "x"
    assert (tree / "new").stat().st_mode & 0o777 == 0o777


def test_directories_hand_on_the_group_of_the_volume(tree: Path) -> None:
    tree.chmod(0o2770)

    write(tree, "/new/deep/file", "x")

    for name in ("new", "new/deep"):
        assert (tree / name).stat().st_mode & 0o7777 == 0o2777


def test_renaming_does_not_follow_the_last_segment(tree: Path) -> None:
    (tree / "work" / "part").symlink_to("/etc/passwd")

    RootedFiles(tree).rename("/work/part", "/work/done")

    assert (tree / "work" / "done").is_symlink()


def test_removing_what_is_not_there_is_no_error(tree: Path) -> None:
    RootedFiles(tree).remove("/work/none/at/all")
    RootedFiles(tree).remove("/work/a.txt")

    assert not (tree / "work" / "a.txt").exists()


def test_names_are_sorted(tree: Path) -> None:
    (tree / "work" / "Z").touch()

    assert RootedFiles(tree).names("/work") == ["Z", "a.txt"]


def test_no_more_names_are_read_than_are_asked_for(tree: Path) -> None:
    for number in range(5000):
        (tree / "work" / f"{number:0100}").touch()
    tracemalloc.start()
    try:
        names = RootedFiles(tree).names("/work", 10)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(names) == 10
    assert most < 100_000  # bytes; all names are 700,000 and more


def test_descriptors_are_all_closed(tree: Path) -> None:
    (tree / "alias").symlink_to("/work")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count of names

    for _ in range(20):
        RootedFiles(tree).stat("/alias/../alias/a.txt")

    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


NAMES = st.sampled_from(["a", "b", "..", ".", "c"])


@given(
    links=st.lists(st.tuples(NAMES, st.lists(NAMES, max_size=4), st.booleans())),
    path=st.lists(NAMES, min_size=1, max_size=6),
)
def test_files_outside_stay_untouched_whatever_links_there_are(
    links: list[tuple[str, list[str], bool]],
    path: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    root = outside / "x" / "y" / "root"
    root.mkdir(parents=True)
    for name, target, absolute in links:
        if name not in (".", "..") and not (root / name).is_symlink():
            (root / name).symlink_to(
                ("/" if absolute else "") + "/".join(target or ".")
            )

    with contextlib.suppress(OSError):
        write(root, "/" + "/".join(path), "x")

    assert [p.name for p in outside.iterdir()] == ["x"]
    assert [p.name for p in (outside / "x").iterdir()] == ["y"]
    assert [p.name for p in (outside / "x" / "y").iterdir()] == ["root"]


def test_a_path_of_a_thousand_directories_needs_few_descriptors(tree: Path) -> None:
    path = "/d" * 1500

    try:
        with few_descriptors(8):
            write(tree, f"{path}/file", "deep")
            text = read(tree, f"{path}/../../d/./d/file")
    finally:
        remove_tree(tree / "d")  # for pytest cannot
    assert text == "deep"
