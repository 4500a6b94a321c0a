"""Files of this machine: roots, links, modes."""

import operator
import os
import subprocess
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from contract.storage.places import Place
from files.deep_trees import make_deep
from tesk_filer.adapters.storage.local import LocalStorage
from tesk_filer.adapters.volume import FolderVolume
from tesk_filer.ports import ChangedError, Stat, StorageError
from tesk_filer.ports.volume import Checks
from tesk_model.locations import parse_location
from tesk_runtime.removal import remove_tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    (tmp_path / "root-beside").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret")
    (tmp_path / "root-beside/secret").write_text("secret")
    return tmp_path / "root"


@pytest.fixture
def local(root: Path) -> Place:
    return Place(LocalStorage([str(root)]), str(root))


ESCAPES = {
    "a path outside": "{root}/../outside/secret",
    "a url outside": "file://{root}/../outside/secret",
    "an encoded url outside": "file://{root}/%2e%2e/outside/secret",
    "a folder whose name begins like a root": "{root}-beside/secret",
    "a link to a file": "{root}/link",
    "a link to a folder": "{root}/folder/secret",
    "the password file": "/etc/passwd",
    "the environment of a process": "/proc/self/environ",
}


@pytest.mark.parametrize("url", ESCAPES.values(), ids=ESCAPES)
def test_files_outside_the_roots_are_refused(
    local: Place, root: Path, url: str
) -> None:
    (root / "link").symlink_to(root.parent / "outside/secret")
    (root / "folder").symlink_to(root.parent / "outside")
    url = url.format(root=root)

    for act in (
        lambda: local.get(url),
        lambda: local.put(url, b"x"),
        lambda: local.stat(url),
        lambda: local.list(url),
        lambda: local.make_directory(url),
    ):
        with pytest.raises(StorageError, match="outside the folders"):
            act()

    assert (root.parent / "outside/secret").read_text() == "secret"
    assert sorted(path.name for path in root.parent.rglob("*")) == sorted(
        ["folder", "link", "outside", "root", "root-beside", "secret", "secret"]
    )


def test_the_error_without_roots_names_the_setting() -> None:
    with pytest.raises(StorageError, match="TESK_FILE_ROOTS"):
        LocalStorage([]).stat(parse_location("/tmp/a"))


def test_a_listing_with_a_link_that_leads_out_is_refused(
    local: Place, root: Path
) -> None:
    (root / "d").mkdir()
    (root / "d/link").symlink_to(root.parent / "outside")

    with pytest.raises(StorageError, match="outside the folders"):
        local.walk(local.url + "/d")


def test_links_inside_the_roots_are_followed(local: Place, root: Path) -> None:
    (root / "real").mkdir()
    (root / "real/x").write_text("x")
    (root / "d").mkdir()
    (root / "d/link").symlink_to(root / "real")

    assert [entry.name for entry in local.walk(local.url + "/d")] == ["link/x"]
    assert local.get(local.url + "/d/link/x") == b"x"


def test_special_files_are_left_out_of_a_listing(local: Place, root: Path) -> None:
    (root / "d/e").mkdir(parents=True)
    (root / "d/a").write_text("a")
    os.mkfifo(root / "d/pipe")
    (root / "d/nothing").symlink_to("none")
    (root / "d/e/round").symlink_to(root / "d")

    first = local.list(local.url + "/d")
    second = local.list(local.url + "/d", first.cursor)

    assert [entry.name for entry in first.entries] == ["a"]
    assert first.notes == [
        "nothing is a link to nothing, left out",
        "pipe is not a regular file, left out",
    ]
    assert second.notes == ["e/round is a symlink cycle, left out"]


@pytest.mark.parametrize("checks", [{}, {"sha256": ""}], ids=["plain", "digest"])
@pytest.mark.parametrize("size", [100, 2_000_000], ids=["small", "large"])
@pytest.mark.parametrize("is_batch", [True, False], ids=["batch", "alone"])
def test_what_changes_while_it_is_copied_is_refused(
    tmp_path: Path, root: Path, size: int, checks: Checks, *, is_batch: bool
) -> None:
    storage = LocalStorage([str(root)])
    location = parse_location(f"{root}/a")
    (root / "a").write_bytes(b"a" * size)
    os.utime(root / "a", (1, 1))
    (tmp_path / "volume").mkdir()

    def change(_moved: int) -> None:
        (root / "a").write_bytes(b"b" * size)

    known = storage.stat(location) or Stat()
    opened = storage.open_all([(location, known)])
    opening = next(opened) if is_batch else storage.open(location)
    with opening as reader, pytest.raises(ChangedError):
        FolderVolume(tmp_path / "volume").save("/a", reader, change, checks)

    assert list((tmp_path / "volume").iterdir()) == []


def test_a_program_stays_one(local: Place, root: Path) -> None:
    local.put(local.url + "/tool", b"#!/bin/sh", executable=True)
    local.put(local.url + "/data", b"")

    assert os.access(root / "tool", os.X_OK)
    assert not os.access(root / "data", os.X_OK)
    with local.open(local.url + "/tool") as reader:
        assert reader.executable


def test_a_written_link_replaces_what_it_points_to(local: Place, root: Path) -> None:
    (root / "real").write_text("old")
    (root / "link").symlink_to("real")

    local.put(local.url + "/link", b"new")

    assert (root / "real").read_text() == "new"
    assert (root / "link").is_symlink()


def test_the_longest_name_can_be_written(local: Place, root: Path) -> None:
    name = "ä" * 127

    local.put(f"{local.url}/{name}", b"x")

    assert [path.name for path in root.iterdir()] == [name]


def test_a_pipe_is_refused_at_once(local: Place, root: Path) -> None:
    os.mkfifo(root / "pipe")

    with pytest.raises(StorageError, match="not a regular file"):
        local.get(local.url + "/pipe")


def test_a_pipe_is_no_directory_and_no_file_to_name_instead(
    local: Place, root: Path
) -> None:
    os.mkfifo(root / "pipe")
    (root / "file").write_bytes(b"")

    with pytest.raises(StorageError, match="is neither a file nor a directory"):
        local.list(local.url + "/pipe")
    with pytest.raises(StorageError, match="give the input type FILE"):
        local.list(local.url + "/file")


def test_a_folder_without_rights_says_so(local: Place, root: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    root.chmod(0o500)

    with pytest.raises(StorageError, match="access denied"):
        local.put(local.url + "/a", b"x")

    root.chmod(0o700)


def test_a_folder_nested_by_the_thousand_is_listed_page_by_page(
    tmp_path: Path,
) -> None:
    (tmp_path / "top").mkdir()
    make_deep(tmp_path / "top", 3000)
    storage = LocalStorage([str(tmp_path)])

    pages = list(islice(Place(storage, "").pages(str(tmp_path / "top")), 300))

    assert [page.depth for page in pages] == list(range(300))
    assert len({page.directory for page in pages}) == 300
    remove_tree(tmp_path / "top")


def test_the_time_to_list_folders_grows_with_their_number(
    tmp_path: Path,
) -> None:
    for number in range(3000):
        (tmp_path / f"{number}").mkdir()
    place = Place(LocalStorage([str(tmp_path)]), "")

    pages = list(place.pages(str(tmp_path)))

    after = [page.cursor[1] for page in pages[:-1] if page.cursor]
    following = [page.cursor for page in pages[1:]]
    assert len(pages) == 3001
    # Nothing is copied from page to page, which would cost their square.
    assert all(map(operator.is_, after, following))


def test_of_a_folder_no_more_files_are_listed_than_may_be_taken(
    tmp_path: Path,
) -> None:
    for number in range(11):
        (tmp_path / f"{number}").touch()

    def names(most: int) -> list[str]:
        place = Place(LocalStorage([str(tmp_path)], most=most), "")
        return [
            entry.name for page in place.pages(str(tmp_path)) for entry in page.entries
        ]

    assert len(names(11)) == 11
    with pytest.raises(StorageError, match="is more than 10 files and directories"):
        names(10)


def test_the_link_that_leads_out_is_named(tmp_path: Path) -> None:
    (tmp_path / "top/sub").mkdir(parents=True)
    (tmp_path / "top/sub/out").symlink_to("/etc/hosts")
    storage = LocalStorage([str(tmp_path)])

    with pytest.raises(StorageError, match="holds the link sub/out, which lies"):
        list(Place(storage, "").pages(str(tmp_path / "top")))


def test_a_path_longer_than_the_kernel_takes_at_once_works(tmp_path: Path) -> None:
    name = "/".join(["x" * 200] * 60)
    place = Place(LocalStorage([str(tmp_path)]), str(tmp_path))

    place.put(f"{tmp_path}/{name}/a", b"content")

    assert place.get(f"{tmp_path}/{name}/a") == b"content"
    assert [entry.name for entry in place.walk(str(tmp_path))] == [f"{name}/a"]
    remove_tree(tmp_path / ("x" * 200))


@pytest.fixture
def small_disk(root: Path) -> Iterator[Path]:
    """A disk of 1 MiB at ``root``."""
    options = ("-t", "tmpfs", "-o", "size=1m", "tmpfs")
    if subprocess.run(["mount", *options, root], check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield root
    subprocess.run(["umount", root], check=True)


@pytest.mark.parametrize("size", [8_000_000, 1_200_000], ids=["large", "small"])
def test_a_disk_that_is_too_small_is_told_with_both_numbers(
    local: Place, small_disk: Path, size: int
) -> None:
    both = rf"no space left .*: {size:,} bytes are needed and 1,0\d\d,\d\d\d are free"

    with pytest.raises(StorageError, match=both) as caught:
        local.put(local.at("a"), os.urandom(size))

    assert not caught.value.transient
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_gets_full_is_told(local: Place, small_disk: Path) -> None:
    local.put(local.at("a"), bytes(900_000))

    with pytest.raises(StorageError, match="500,000 bytes are needed and"):
        local.put(local.at("b"), bytes(500_000))

    assert [each.name for each in small_disk.iterdir()] == ["a"]
