"""A folder as a task volume, with everything that an executor may leave there."""

import os
import threading
from pathlib import Path

import pytest

from fakes.filer_storage import MemoryReader
from tesk_filer.adapters.volume import FolderVolume
from tesk_filer.domain.tree import Kind
from tesk_filer.ports import HaltedError, StorageError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "volume"
    root.mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret")
    return root


def save(root: Path, path: str, content: bytes) -> None:
    FolderVolume(root).save(path, MemoryReader(content), lambda _: None)


def test_a_file_is_saved_below_new_directories(root: Path) -> None:
    save(root, "/a/b c/d.txt", b"content")

    assert (root / "a/b c/d.txt").read_bytes() == b"content"
    assert (root / "a/b c").stat().st_mode & 0o777 == 0o777
    assert os.listdir(root / "a/b c") == ["d.txt"]  # noqa: PTH208 - names


def test_the_longest_name_can_be_saved(root: Path) -> None:
    save(root, "/" + "n" * 255, b"content")

    assert os.listdir(root) == ["n" * 255]  # noqa: PTH208 - names


def test_a_truncated_file_is_refused_and_leaves_nothing(root: Path) -> None:
    reader = MemoryReader(b"01234", announced=10)

    with pytest.raises(StorageError, match="5 of 10 bytes arrived") as caught:
        FolderVolume(root).save("/a", reader, lambda _: None)

    assert caught.value.transient
    assert list(root.iterdir()) == []


def test_a_halted_file_leaves_nothing(root: Path) -> None:
    def halt(_size: int) -> None:
        raise HaltedError

    with pytest.raises(HaltedError):
        FolderVolume(root).save("/a", MemoryReader(b"x"), halt)

    assert list(root.iterdir()) == []


LINKS = {
    "a relative way out": "../outside",
    "an absolute way out": "{outside}",
    "a way through the process": "/proc/self/root{outside}",
    "a long way up": "../../../../../../../../../../../../{outside}",
}


@pytest.mark.parametrize("target", LINKS.values(), ids=LINKS)
def test_links_do_not_lead_out(root: Path, target: str) -> None:
    outside = root.parent / "outside"
    (root / "link").symlink_to(target.format(outside=outside))
    volume = FolderVolume(root)

    assert volume.node("/link/secret") is None
    assert list(volume.names("/link", 9)) == []
    with pytest.raises(StorageError), volume.open("/link/secret", "tag"):
        pass
    save_refused_or_inside(root, "/link/new")

    assert sorted(os.listdir(outside)) == ["secret"]  # noqa: PTH208 - names
    assert (outside / "secret").read_text() == "secret"


def save_refused_or_inside(root: Path, path: str) -> None:
    """Save: what the link means inside the volume may be made there, or refused."""
    try:
        save(root, path, b"new")
    except StorageError:
        return
    assert any(file.is_file() for file in root.rglob("new"))


def test_a_directory_that_is_exchanged_for_a_link_never_leads_out(root: Path) -> None:
    volume = FolderVolume(root)
    (root / "real").mkdir()
    (root / "real/secret").write_text("own")
    (root / "d").symlink_to("real")
    (root / "evil").symlink_to(root.parent / "outside")
    stop = threading.Event()

    def exchange() -> None:
        while not stop.is_set():
            for name in ("evil", "real"):
                (root / "next").symlink_to(
                    root.parent / "outside" if name == "evil" else "real"
                )
                (root / "next").replace(root / "d")

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        seen = set()
        for _ in range(300):
            try:
                with volume.open("/d/secret", "tag") as source:
                    seen.add(os.read(source.descriptor, 100))
            except StorageError:
                seen.add(b"refused")
    finally:
        stop.set()
        thread.join()

    assert seen <= {b"own", b"refused"}


def test_special_files_are_seen_and_not_opened(root: Path) -> None:
    os.mkfifo(root / "pipe")
    volume = FolderVolume(root)

    node = volume.node("/pipe")

    assert node is not None
    assert node.kind is Kind.SPECIAL
    with (
        pytest.raises(StorageError, match="not a regular file"),
        volume.open("/pipe", ""),
    ):
        pass


def test_names_that_are_no_utf8_are_files_as_well(root: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    (root / name).write_bytes(b"x")
    volume = FolderVolume(root)

    assert list(volume.names("/", 9)) == [name]
    with volume.open("/" + name, "tag") as source:
        assert source.size == 1
