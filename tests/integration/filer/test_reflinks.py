"""Inputs of this machine share their blocks with the originals, where these can be shared."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tesk_filer.adapters.storage.local import LocalStorage
from tesk_filer.adapters.volume import FolderVolume
from tesk_filer.ports import Unmoved
from tesk_model.locations import parse_location

MIB = 1024 * 1024
SIZE = 32 * MIB


@pytest.fixture
def reflinks(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of its own, with reflinks."""
    make = shutil.which("mkfs.xfs")
    if make is None or os.geteuid():
        pytest.skip("needs root and mkfs.xfs, to mount a file system with reflinks")
    image, folder = tmp_path / "image", tmp_path / "mounted"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(320 * MIB)
    subprocess.run([make, "-q", "-m", "reflink=1", image], check=True)
    mounted = subprocess.run(
        ["mount", "-o", "loop", image, folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.strip()}")
    yield folder
    # A failed test may hold a folder of it open.
    subprocess.run(["umount", "--lazy", folder], check=True)


def used(folder: Path) -> int:
    """Return the bytes that are used of a file system."""
    os.sync()
    found = os.statvfs(folder)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def test_a_large_input_takes_no_room_and_is_apart(reflinks: Path) -> None:
    content = os.urandom(SIZE)
    (reflinks / "genome.fa").write_bytes(content)
    (reflinks / "volume").mkdir()
    before = used(reflinks)
    storage = LocalStorage([str(reflinks)])
    told: list[int] = []

    with storage.open(parse_location(f"{reflinks}/genome.fa")) as reader:
        FolderVolume(reflinks / "volume").save("/genome.fa", reader, told.append)

    assert sum(told) == SIZE
    assert sum(size for size in told if not isinstance(size, Unmoved)) == 0
    assert used(reflinks) - before < SIZE // 8
    copy = reflinks / "volume/genome.fa"
    assert copy.read_bytes() == content
    copy.write_bytes(b"changed by an executor")
    assert (reflinks / "genome.fa").read_bytes() == content
