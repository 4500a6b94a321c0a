"""The contract of storages that take many files together."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contract.storage.places import Place, write_to
from tesk_filer.adapters.storage.local import LocalStorage
from tesk_filer.ports import HaltedError, StorageError
from tesk_filer.ports.batches import WriteBatch, WritesBatches


@pytest.fixture
def local(tmp_path: Path) -> Place:
    (tmp_path / "served").mkdir()
    return Place(LocalStorage([str(tmp_path / "served")]), f"{tmp_path}/served/base")


@contextmanager
def batch_of(place: Place) -> Iterator[WriteBatch]:
    assert isinstance(place.storage, WritesBatches)
    with place.storage.batch() as batch:
        yield batch


def names(place: Place) -> list[str]:
    return [each.name for each in place.walk(place.url)]


def test_files_are_visible_whole_when_their_batch_is_committed(
    batching: Place,
) -> None:
    contents = {f"d{index % 3}/{index}": os.urandom(index * 10) for index in range(20)}
    batching.put(batching.at("here"), b"")
    moved: list[int] = []

    with batch_of(batching) as batch:
        for name, content in contents.items():
            write_to(batch, f"{batching.url}/{name}", content, advance=moved.append)
        assert batching.stat(batching.at("d1/1")) is None
        batch.commit()

    assert names(batching) == sorted([*contents, "here"])
    assert sum(moved) == sum(map(len, contents.values()))
    for name, content in contents.items():
        assert batching.get(batching.at(name)) == content


def test_a_batch_that_is_not_committed_leaves_nothing(batching: Place) -> None:
    batching.put(batching.at("other"), b"old")

    with batch_of(batching) as batch:
        write_to(batch, f"{batching.url}/a", b"new")
        write_to(batch, f"{batching.url}/other", b"new")

    assert names(batching) == ["other"]
    assert batching.get(batching.at("other")) == b"old"


def test_an_error_in_the_block_leaves_nothing(batching: Place) -> None:
    batching.put(batching.at("other"), b"")

    def write_and_fail() -> None:
        with batch_of(batching) as batch:
            write_to(batch, f"{batching.url}/a", b"new")
            raise HaltedError

    with pytest.raises(HaltedError):
        write_and_fail()

    assert names(batching) == ["other"]


def test_a_file_that_cannot_be_written_does_not_keep_the_others(
    batching: Place,
) -> None:
    def halt(_size: int) -> None:
        raise HaltedError

    with batch_of(batching) as batch:
        write_to(batch, f"{batching.url}/a", b"new")
        with pytest.raises(HaltedError):
            write_to(batch, f"{batching.url}/b", b"new", advance=halt)
        write_to(batch, f"{batching.url}/c", b"new")
        batch.commit()

    assert names(batching) == ["a", "c"]


def test_a_batch_replaces_what_is_there(batching: Place) -> None:
    batching.put(batching.at("a"), b"the first and longer one")

    with batch_of(batching) as batch:
        write_to(batch, f"{batching.url}/a", b"second")
        batch.commit()

    assert batching.get(batching.at("a")) == b"second"
    assert names(batching) == ["a"]


def test_an_empty_batch_is_committed(batching: Place) -> None:
    with batch_of(batching) as batch:
        batch.commit()


def test_a_source_that_changed_is_refused(local: Place) -> None:
    local.put(local.at("other"), b"")

    with batch_of(local) as batch:
        with pytest.raises(StorageError, match="changed while it was copied"):
            write_to(batch, f"{local.url}/a", b"now longer", size=3)
        with pytest.raises(StorageError, match="changed while it was copied"):
            write_to(batch, f"{local.url}/b", b"gone", size=100)
        batch.commit()

    assert names(local) == ["other"]


def test_a_program_stays_one(local: Place) -> None:
    with batch_of(local) as batch:
        write_to(batch, f"{local.url}/tool", b"#!/bin/sh", executable=True)
        write_to(batch, f"{local.url}/data", b"")
        batch.commit()

    assert os.access(f"{local.url}/tool", os.X_OK)
    assert not os.access(f"{local.url}/data", os.X_OK)


def test_what_somebody_removed_meanwhile_fails_the_commit(local: Place) -> None:
    local.put(local.at("a"), b"old")

    with batch_of(local) as batch:
        for name in ("a", "b", "c"):
            write_to(batch, f"{local.url}/{name}", f"new {name}".encode())
        for written in Path(local.url).glob(".*.part"):
            if written.read_bytes() == b"new b":
                written.unlink()
        with pytest.raises(StorageError):
            batch.commit()

    found = {name: local.get(local.at(name)) for name in names(local)}
    assert found.items() <= {"a": b"new a", "c": b"new c"}.items() | {("a", b"old")}


REFUSED = {
    "a path outside": ("{root}/../outside/x", "outside the folders"),
    "a link to a folder outside": ("{root}/folder/x", "outside the folders"),
    "a link": ("{root}/link", "moved by itself"),
    "a directory": ("{root}/there", "is a directory; end the url"),
    "a protected name": ("{root}/.bashrc", "where no task reads or writes"),
    "in a folder of a protected name": ("{root}/.ssh/x", "where no task reads"),
    "in a folder that is protected": ("{root}/.config/x", "where no task reads"),
    "dots": ("{root}/there/..", "moved by itself"),
}


@pytest.mark.parametrize(("url", "message"), REFUSED.values(), ids=REFUSED)
def test_a_batch_does_not_write_to(tmp_path: Path, url: str, message: str) -> None:
    root = tmp_path / "root"
    (root / "there").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "link").symlink_to(tmp_path / "outside/secret")
    local = Place(LocalStorage([str(root)]), str(root))

    with batch_of(local) as batch:
        with pytest.raises(StorageError, match=message):
            write_to(batch, url.format(root=root), b"x")
        write_to(batch, f"{root}/allowed", b"x")
        batch.commit()

    assert (tmp_path / "outside/secret").read_text() == "secret"
    assert [each.name for each in (tmp_path / "outside").iterdir()] == ["secret"]
    assert (root / "allowed").read_text() == "x"
    assert not list(root.rglob("*.part"))
