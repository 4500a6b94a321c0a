"""SFTP: small files that move together."""

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from pathlib import Path

import pytest

from contract.storage.places import Place, write_to
from contract.storage.sftp.conftest import SHORT, Serve
from servers.sftp import USER, SftpFiles, SftpKind
from tesk_filer.adapters.storage.sftp import SftpStorage
from tesk_filer.adapters.storage.sftp_batch_reading import SMALL
from tesk_filer.ports import Reader, StorageError
from tesk_filer.ports.batches import ListedLocation, NotBatchedError


def together(
    place: Place, files: Sequence[ListedLocation]
) -> "closing[Generator[AbstractContextManager[Reader]]]":
    assert isinstance(place.storage, SftpStorage)
    return closing(place.storage.open_all(files))


def content_of(opening: AbstractContextManager[Reader]) -> bytes:
    with opening as reader:
        return reader.read(SMALL)


def test_a_batch_ends_where_the_server_stalls(folder: Path, serve: Serve) -> None:
    for number in range(5):
        (folder / f"{number}").write_bytes(b"x")
    with (
        serve(SftpKind(stalls=True), SHORT) as place,
        together(place, place.listed()) as openings,
    ):
        first = next(openings)
        with pytest.raises(StorageError):
            content_of(first)
        with pytest.raises(StorageError):  # and not another wait for each file
            next(openings)


def test_a_server_that_reads_less_at_once_gives_files_one_by_one(
    folder: Path, serve: Serve
) -> None:
    (folder / "large").write_bytes(b"x" * 200)
    (folder / "small").write_bytes(b"y" * 100)
    with serve(SftpKind(block=100)) as place:
        with together(place, place.listed()) as openings:
            with pytest.raises(NotBatchedError):
                content_of(next(openings))
            assert content_of(next(openings)) == b"y" * 100
        assert place.get(place.at("large")) == b"x" * 200


def test_files_with_another_login_are_for_themselves(
    server: SftpFiles, folder: Path, sftp: Place
) -> None:
    for name in "abc":
        (folder / name).write_bytes(b"x")
    files = list(sftp.listed())
    location, known = files[1]
    files[1] = replace(location, password="wrong"), known

    with together(sftp, files) as openings:
        assert content_of(next(openings)) == b"x"
        with pytest.raises(NotBatchedError):
            content_of(next(openings))
        assert content_of(next(openings)) == b"x"

    assert server.logins == [USER]


def test_a_full_disk_ends_a_batch_and_leaves_nothing(
    folder: Path, serve: Serve
) -> None:
    with serve(SftpKind(disk=50)) as place:
        assert isinstance(place.storage, SftpStorage)
        with place.storage.batch() as batch:
            for size in (10, 100, 20):
                write_to(batch, f"{place.url}/new/folder/{size}", b"x" * size)
            with pytest.raises(StorageError):
                batch.commit()

    assert [path for path in folder.rglob("*") if path.is_file()] == []
