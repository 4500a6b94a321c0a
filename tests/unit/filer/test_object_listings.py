"""Listings of object stores, whose services may list page after page of nothing."""

from contextlib import AbstractContextManager

import pytest

from tesk_filer.adapters.storage.objects import (
    ObjectName,
    ObjectPage,
    ObjectStorage,
)
from tesk_filer.domain.checks import WriteFound
from tesk_filer.ports import Advance, Entry, Part, Reader, Source, Stat, StorageError
from tesk_model.locations import Location, parse_location


class PagesOfNothing:
    """Satisfies ``ObjectService``: lists nothing in many pages, and then a file."""

    def __init__(self, pages: int) -> None:
        self._pages = pages
        self.asked = 0

    def name_of(self, location: Location) -> ObjectName:
        return ObjectName(location=location, bucket="b", key="d")

    def page(
        self, name: ObjectName, prefix: str, *, token: str, size: int
    ) -> ObjectPage:
        del name, token, size
        self.asked += 1
        if self.asked <= self._pages:
            return ObjectPage(entries=(), token=str(self.asked))
        return ObjectPage(entries=[Entry(name=f"{prefix}a", size=1)])

    def head(self, name: ObjectName) -> Stat | None:
        del name
        return None

    def open(
        self, name: ObjectName, part: Part | None, known: Stat | None
    ) -> AbstractContextManager[Reader]:
        raise NotImplementedError

    def put(self, name: ObjectName, source: Source, advance: Advance) -> str:
        raise NotImplementedError

    def delete(self, name: ObjectName) -> None:
        raise NotImplementedError

    def check_put(self, name: ObjectName) -> WriteFound:
        raise NotImplementedError

    def close(self) -> None:
        """Close nothing."""


DIRECTORY = parse_location("s3://b/d")


def test_pages_of_nothing_are_passed_over() -> None:
    storage = ObjectStorage(PagesOfNothing(900))

    assert [each.name for each in storage.list(DIRECTORY).entries] == ["a"]


def test_pages_of_nothing_have_an_end() -> None:
    service = PagesOfNothing(1_000_000)
    storage = ObjectStorage(service)

    with pytest.raises(StorageError, match="lists 1,000 pages of nothing"):
        storage.list(DIRECTORY)
    with pytest.raises(StorageError, match="lists 1,000 pages of nothing"):
        storage.stat(DIRECTORY)

    assert service.asked == 2000


class Keys(PagesOfNothing):
    """Satisfies ``ObjectService``: has these keys, in one page."""

    def __init__(self, *keys: str) -> None:
        super().__init__(0)
        self._keys = keys

    def name_of(self, location: Location) -> ObjectName:
        return ObjectName(location=location, bucket="b", key=location.path)

    def page(
        self, name: ObjectName, prefix: str, *, token: str, size: int
    ) -> ObjectPage:
        del name, token, size
        found = [key for key in self._keys if key.startswith(prefix)]
        return ObjectPage(entries=[Entry(name=key, size=1) for key in found])


LISTED = {
    "a bucket": ("s3://b", ["s3://b//c", "s3://b/a//c", "s3://b/a/c"]),
    "a bucket, with a slash": ("s3://b/", ["s3://b//c", "s3://b/a//c", "s3://b/a/c"]),
    "what begins with a slash": ("s3://b//", ["s3://b//c"]),
    "a directory": ("s3://b/a", ["s3://b/a//c", "s3://b/a/c"]),
    "a directory, with a slash": ("s3://b/a/", ["s3://b/a//c", "s3://b/a/c"]),
    "a directory without a name in it": ("s3://b/a//", ["s3://b/a//c"]),
}


@pytest.mark.parametrize(("url", "want"), LISTED.values(), ids=LISTED)
def test_slashes_of_a_directory_are_literal(url: str, want: list[str]) -> None:
    storage = ObjectStorage(Keys("/c", "a//c", "a/c"))
    directory = parse_location(url)

    entries = storage.list(directory).entries

    assert [directory.below(each.name).url for each in entries] == want
