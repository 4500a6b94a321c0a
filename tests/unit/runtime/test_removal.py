"""Trees that an executor made are removed, and nothing else."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from files.deep_trees import make_deep
from programs.descriptors import few_descriptors
from tesk_runtime.removal import IncompleteRemovalError, remove_tree
from tesk_runtime.tree_walker import DIRECTORY_FLAGS, TreeWalker


def test_a_tree_deeper_than_a_path_may_be_long_is_removed(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    make_deep(tmp_path / "tree", 10_000, name="a-long-name")

    with few_descriptors(10):
        remove_tree(tmp_path / "tree")

    assert list(tmp_path.iterdir()) == []


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "tree" / "nowhere").symlink_to("nothing")

    remove_tree(tmp_path / "tree")

    assert [entry.name for entry in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept" / "file").exists()


def test_a_link_in_place_of_the_tree_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept")

    with pytest.raises(OSError, match="link"):
        remove_tree(tmp_path / "link")

    assert (tmp_path / "kept").is_dir()


def test_removing_a_missing_tree_is_not_an_error(tmp_path: Path) -> None:
    remove_tree(tmp_path / "tree")
    remove_tree(tmp_path / "no" / "tree")


def test_every_kind_of_entry_goes(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "shut" / "inner").mkdir(parents=True)
    (tree / "shut" / "inner" / "file").write_bytes(b"x")
    os.mkfifo(tree / "pipe")
    (tree / os.fsdecode(b"\xff\xfe\n")).touch()
    (tree / "shut" / "inner").chmod(0)
    (tree / "shut").chmod(0o500)

    remove_tree(tree)

    assert not tree.exists()


def test_a_tree_that_is_read_only_for_all_is_named_with_what_it_holds(
    tmp_path: Path,
) -> None:
    # /proc cannot be removed by anybody and is no part of this file system.
    (tmp_path / "tree").mkdir()

    with pytest.raises(IncompleteRemovalError) as caught:
        remove_tree(Path("/proc/self/fdinfo"))

    assert caught.value.count >= 1
    assert caught.value.is_forbidden
    assert "/proc/self/fdinfo" in str(caught.value)
    assert "stay" in str(caught.value)


def test_a_long_path_is_shortened_for_people() -> None:
    error = IncompleteRemovalError(
        OSError(1, "no", "/d" * 5000), count=3, bytes_held=2048, is_forbidden=True
    )

    assert len(str(error)) < 300
    assert "and 2 more (2 KiB stay)" in str(error)


NAMES = st.sampled_from(["a", "b", "c", "d"])


@settings(max_examples=50, deadline=None)
@given(st.sets(st.lists(NAMES, min_size=1, max_size=5).map(tuple), max_size=20))
def test_any_tree_goes_and_its_neighbours_stay(
    tmp_path_factory: pytest.TempPathFactory, paths: set[tuple[str, ...]]
) -> None:
    top = tmp_path_factory.mktemp("trees")
    (top / "other").mkdir()
    (top / "tree").mkdir()
    for path in sorted(paths):
        (top / "tree").joinpath(*path).mkdir(parents=True, exist_ok=True)
        (top / "tree").joinpath(*path, "file").touch()

    remove_tree(top / "tree")

    assert [entry.name for entry in top.iterdir()] == ["other"]


def test_a_walk_does_not_go_up_into_another_directory(tmp_path: Path) -> None:
    (tmp_path / "root" / "a" / "b").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    descent = TreeWalker(os.open(tmp_path / "root", DIRECTORY_FLAGS))
    descent.enter("a")
    descent.enter("b")

    (tmp_path / "root" / "a" / "b").rename(tmp_path / "elsewhere" / "b")
    with pytest.raises(OSError, match="moved meanwhile"):
        descent.leave()

    assert descent.names == ["a", "b"]
    descent.close()
