"""The contract of storages that give many files together."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import pytest

from contract.storage.places import Place
from tesk_filer.ports import Entry, StorageError
from tesk_filer.ports.batches import ListedLocation, ReadsBatches

CONTENTS = {f"d{index % 3}/{index:02}": os.urandom(index * 50) for index in range(30)}
FAILED = b"failed"


@pytest.fixture
def files(batching: Place) -> list[ListedLocation]:
    """Put files there, and list them."""
    for name, content in CONTENTS.items():
        batching.put(batching.at(name), content)
    return list(batching.listed())


@contextmanager
def opened(place: Place, files: Sequence[ListedLocation]) -> Iterator[Iterator[bytes]]:
    assert isinstance(place.storage, ReadsBatches)

    def contents() -> Iterator[bytes]:
        for opening in openings:
            try:
                with opening as reader:
                    content = b""
                    while data := reader.read(1000):
                        content += data
                    assert reader.size == len(content)
            except StorageError:
                content = FAILED
            yield content

    with closing(place.storage.open_all(files)) as openings:
        yield contents()


def got(place: Place, files: Sequence[ListedLocation]) -> dict[str, bytes]:
    base = len(place.at("").path.rstrip("/")) + 1
    with opened(place, files) as contents:
        return {
            location.path[base:]: content
            for (location, _), content in zip(files, contents, strict=True)
        }


def test_files_come_in_order_and_as_they_are(
    batching: Place, files: list[ListedLocation]
) -> None:
    assert got(batching, files) == CONTENTS


def test_a_file_that_is_gone_does_not_keep_the_others(
    batching: Place, files: list[ListedLocation]
) -> None:
    files.insert(3, (batching.at("d0/gone"), Entry(name="d0/gone", size=3)))

    assert got(batching, files) == CONTENTS | {"d0/gone": FAILED}


def test_a_file_that_has_changed_does_not_come(
    batching: Place, files: list[ListedLocation]
) -> None:
    batching.put(batching.at("d1/04"), b"another")

    found = got(batching, files)

    assert found == CONTENTS | {"d1/04": FAILED}


def test_who_gives_up_early_can_begin_anew(
    batching: Place, files: list[ListedLocation]
) -> None:
    with opened(batching, files) as contents:
        first = next(contents)

    assert first == CONTENTS["d0/00"]
    assert got(batching, files) == CONTENTS


def test_a_batch_may_have_one_file(
    batching: Place, files: list[ListedLocation]
) -> None:
    assert got(batching, files[4:5]) == {"d0/12": CONTENTS["d0/12"]}
