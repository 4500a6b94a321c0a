"""Shared storage has a prefix of its own and cannot be left."""

from pathlib import Path

import pytest

from contract.storage.places import Place
from tesk_filer.adapters.storage.local import LocalStorage
from tesk_filer.adapters.storage.shared import open_shared
from tesk_filer.ports import StorageError
from tesk_model.locations import parse_location


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted-beside").mkdir()
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "mounted-beside/secret").write_text("secret")
    return tmp_path / "mounted"


@pytest.fixture
def shared(mounted: Path) -> Place:
    return Place(
        open_shared("file:///data/", str(mounted), others=None), "file:///data"
    )


SAME = {
    "a url": "file:///data/d/a%20b",
    "a plain path": "/data/d/a b",
    "a url that names this host": "file://localhost/data/d/a%20b",
    "dots that stay below": "/data/x/../d/./a b",
    "dots that come back": "/data/../data/d/a b",
    "slashes in a row": "//data//d/a b",
}


@pytest.mark.parametrize("url", SAME.values(), ids=SAME)
def test_below_the_prefix_is_below_the_folder(
    shared: Place, mounted: Path, url: str
) -> None:
    shared.put(url, b"content")

    assert (mounted / "d/a b").read_bytes() == b"content"
    assert shared.get(url) == b"content"
    stat = shared.stat(url)
    assert stat is not None
    assert stat.size == 7


ESCAPES = {
    "another path": "/etc/passwd",
    "another url": "file:///etc/passwd",
    "where it is mounted": "{mounted}/a",
    "dots": "/data/../etc/passwd",
    "encoded dots": "file:///data/%2e%2e/etc/passwd",
    "encoded slashes": "file:///data%2f..%2f..%2fetc/passwd",
    "a name that begins like the prefix": "/data-beside/secret",
    "the prefix without its slash": "/dat",
    "a link to a file": "/data/link",
    "a link to a folder": "/data/folder/secret",
    "a link to a folder beside": "/data/beside/secret",
    "an absolute link to the machine": "/data/etc/passwd",
}


@pytest.mark.parametrize("url", ESCAPES.values(), ids=ESCAPES)
def test_urls_outside_the_shared_folder_are_refused(
    shared: Place, mounted: Path, url: str
) -> None:
    (mounted / "link").symlink_to("../secret")
    (mounted / "folder").symlink_to("..")
    (mounted / "beside").symlink_to(f"{mounted}-beside")
    (mounted / "etc").symlink_to("/etc")
    url = url.format(mounted=mounted)

    for act in (
        lambda: shared.get(url),
        lambda: shared.put(url, b"x"),
        lambda: shared.stat(url),
        lambda: shared.list(url),
        lambda: shared.make_directory(url),
    ):
        with pytest.raises(StorageError, match="lies outside"):
            act()

    assert (mounted.parent / "secret").read_text() == "secret"
    assert (mounted.parent / "mounted-beside/secret").read_text() == "secret"


def test_links_inside_are_followed(shared: Place, mounted: Path) -> None:
    (mounted / "real").mkdir()
    (mounted / "real/x").write_text("x")
    (mounted / "d").mkdir()
    (mounted / "d/link").symlink_to("../real")

    assert [entry.name for entry in shared.walk("/data/d")] == ["link/x"]
    assert shared.get("/data/d/link/x") == b"x"


def test_other_folders_may_be_allowed_beside(mounted: Path) -> None:
    root = mounted.parent / "root"
    root.mkdir()
    storage = open_shared("/data", str(mounted), others=LocalStorage([str(root)]))

    Place(storage, "").put(f"{root}/a", b"a")
    Place(storage, "").put("/data/b", b"b")

    assert (root / "a").read_bytes() == b"a"
    assert (mounted / "b").read_bytes() == b"b"
    with pytest.raises(StorageError, match="outside the folders"):
        storage.stat(parse_location("/etc/passwd"))


def test_the_whole_tree_may_be_the_prefix(mounted: Path) -> None:
    storage = open_shared("file:///", str(mounted), others=None)

    Place(storage, "").put("/a/b", b"x")

    assert (mounted / "a/b").read_bytes() == b"x"
