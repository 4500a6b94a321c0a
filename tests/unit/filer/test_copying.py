"""Copies by the kernel: the same bytes, and the same holes."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tesk_filer.adapters.copying import copy_descriptor
from tesk_filer.ports import Unmoved

MIB = 1024 * 1024


def copy(
    source: Path, target: Path, size: int | None = None, told: list[int] | None = None
) -> tuple[int, int]:
    """Copy; return the bytes copied and those that were told of."""
    told = [] if told is None else told
    with source.open("rb") as reading, target.open("w+b") as writing:
        copied = copy_descriptor(
            reading.fileno(),
            writing.fileno(),
            source.stat().st_size if size is None else size,
            told.append,
        )
    return copied, sum(told)


HOLES = {
    "at the beginning": [(64 * MIB, b"x" * 4096)],
    "between": [(0, b"a" * 5000), (64 * MIB, b"b")],
    "at the end": [(0, b"a")],
    "everywhere": [],
}


@pytest.mark.parametrize("pieces", HOLES.values(), ids=HOLES)
def test_holes_stay_holes(tmp_path: Path, pieces: list[tuple[int, bytes]]) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    with source.open("wb") as file:
        for offset, data in pieces:
            os.pwrite(file.fileno(), data, offset)
        file.truncate(128 * MIB)

    told: list[int] = []
    assert copy(source, target, told=told) == (128 * MIB, 128 * MIB)

    assert sum(size for size in told if not isinstance(size, Unmoved)) < MIB
    assert target.stat().st_size == 128 * MIB
    assert target.stat().st_blocks * 512 < MIB
    with source.open("rb") as one, target.open("rb") as other:
        while data := one.read(MIB):
            assert other.read(MIB) == data


@settings(max_examples=50, deadline=None)
@given(
    content=st.binary(max_size=5000),
    holes=st.lists(st.integers(0, 20_000), max_size=4),
    announced=st.integers(0, 30_000),
)
def test_a_file_is_copied_whole_whatever_size_is_announced(
    tmp_path_factory: pytest.TempPathFactory,
    content: bytes,
    holes: list[int],
    announced: int,
) -> None:
    folder = tmp_path_factory.mktemp("copies")
    with (folder / "a").open("wb") as file:
        for hole in holes:
            file.seek(hole)
            file.write(content)

    copied, _ = copy(folder / "a", folder / "b", announced)

    assert (folder / "b").read_bytes() == (folder / "a").read_bytes()
    assert copied == (folder / "a").stat().st_size


def test_a_file_without_a_size_is_copied_to_its_end(tmp_path: Path) -> None:
    assert Path("/proc/self/status").stat().st_size == 0

    copied, told = copy(Path("/proc/self/status"), tmp_path / "b")

    assert copied == told == (tmp_path / "b").stat().st_size > 0
