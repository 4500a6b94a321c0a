"""The contract of all storages."""

import gzip
import os

import pytest

from contract.storage.places import Place
from tesk_filer.ports import ChangedError, HaltedError, Part, Stat, StorageError
from tesk_filer.usecases.checks import Removes

NAMES = {
    "plain": "a.txt",
    "space": "a b.txt",
    "percent": "100%.txt",
    "percent that looks encoded": "a%20b.txt",
    "hash": "a#b.txt",
    "question mark": "a?b.txt",
    "question mark that looks like a version": "a?versionId=x",
    "plus": "a+b.txt",
    "unicode": "naïve-日本.txt",
    "quotes": "a'b\"c.txt",
    "colon and at": "u:p@h.txt",
    "brackets": "a[1].txt",
    "braces and stars": "a{2}*.txt",
    "a folder with brackets": "run [1]/a.txt",
    "leading dot": ".hidden",
    "leading dash": "-rf",
    "ampersand and semicolon": "a&b;c=d.txt",
    "backslash": "a\\b.txt",
    "folders": "x/y z/1.txt",
    "as long as names of files get": "n" * 251 + ".txt",
    "as long, in two bytes a letter": "é" * 127,
}
CONTENTS = {
    "empty": ("a.bin", b""),
    "every byte": ("a.bin", bytes(range(256))),
    "more than one chunk": ("a.bin", os.urandom(3 * 1024 * 1024 + 7)),
    "line ends": ("a.txt", b"a\r\nb\nc\r"),
    "gzip keeps its bytes": ("x.vcf.gz", gzip.compress(b"text" * 1000)),
    "a name in capitals, too": ("X.GZ", gzip.compress(b"text" * 1000)),
    "what is called gz and is none": ("y.gz", b"plain text"),
    "bz2 that is none": ("y.bz2", b"plain text"),
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_file_of_any_name_is_written_and_read(place: Place, name: str) -> None:
    url = place.at(name)

    place.put(url, name.encode())

    assert place.get(url) == name.encode()
    stat = place.stat(url)
    assert stat is not None
    assert (stat.is_directory, stat.size) == (False, len(name.encode()))


def test_a_file_that_is_removed_is_gone(removing_place: Place) -> None:
    url = removing_place.at("a+b c.txt")
    removing_place.put(url, b"x")
    assert isinstance(removing_place.storage, Removes)

    removing_place.storage.remove(url)
    removing_place.storage.remove(url)

    assert removing_place.stat(url) is None


@pytest.mark.parametrize(("name", "content"), CONTENTS.values(), ids=CONTENTS)
def test_content_arrives_byte_by_byte(place: Place, name: str, content: bytes) -> None:
    url = place.at(name)
    moved: list[int] = []

    place.put(url, content, advance=moved.append)

    assert sum(moved) == len(content)
    assert place.get(url) == content
    with place.open(url) as reader:
        assert reader.size == len(content)


def test_what_it_says_of_a_file_that_it_wrote_is_what_it_says_later(
    place: Place,
) -> None:
    url = place.at("a")

    told = place.put(url, b"x")

    stat = place.stat(url)
    assert stat is not None
    assert told in ("", stat.etag)


@pytest.mark.parametrize("size", [0, 33 * 1024 * 1024], ids=["small", "in parts"])
def test_an_object_store_says_what_it_wrote(removing_place: Place, size: int) -> None:
    url = removing_place.at("a")

    told = removing_place.put(url, bytes(size))

    stat = removing_place.stat(url)
    assert stat is not None
    assert told
    assert told == stat.etag
    with removing_place.open(url) as reader:
        assert told == reader.etag
    assert told == removing_place.walk(removing_place.url)[0].etag


def test_writing_again_replaces(place: Place) -> None:
    url = place.at("a")
    place.put(url, b"the first and longer one")

    place.put(url, b"second")

    assert place.get(url) == b"second"


@pytest.mark.parametrize(
    ("part", "content"),
    [
        (Part(0, 4), b"0123"),
        (Part(4, 8), b"4567"),
        (Part(8, 10), b"89"),
        (Part(0, 10), b"0123456789"),
    ],
    ids=["the beginning", "the middle", "the end", "all"],
)
def test_a_part_is_read(place: Place, part: Part, content: bytes) -> None:
    url = place.at("a")
    place.put(url, b"0123456789")

    assert place.get(url, part=part) == content
    with place.open(url, part=part) as reader:
        assert reader.size == 10


def test_parts_of_what_is_open_are_read_beside_it(place: Place) -> None:
    url = place.at("a")
    content = os.urandom(3_000_000)
    place.put(url, content)

    with place.open(url) as reader:
        known = Stat(size=reader.size, etag=reader.etag)
        second = place.get(url, part=Part(1_000_000, 3_000_000), known=known)
        first = b""
        while len(first) < 1_000_000:
            first += reader.read(1_000_000 - len(first))

    assert first + second == content


def test_what_has_changed_since_is_not_read(place: Place) -> None:
    url = place.at("a")
    place.put(url, b"0123456789")
    with place.open(url) as reader:
        known = Stat(size=reader.size, etag=reader.etag)
    place.put(url, b"what is there now")

    if not known.etag and not place.lists:
        pytest.skip("the server gives neither ETags nor a listing")
    with pytest.raises(ChangedError) as caught:
        place.get(url, known=known)

    assert caught.value.transient


def test_a_file_may_be_left_before_its_end(place: Place) -> None:
    url = place.at("a")
    place.put(url, bytes(4_000_000))

    with place.open(url) as reader:
        assert len(reader.read(10)) == 10

    assert len(place.get(url)) == 4_000_000


def test_a_missing_file_has_no_status(place: Place) -> None:
    assert place.stat(place.at("none")) is None


def test_opening_what_is_not_there_fails_for_good(place: Place) -> None:
    with (
        pytest.raises(StorageError, match="does not exist") as caught,
        place.open(place.at("none")),
    ):
        pass

    assert not caught.value.transient


def test_a_halted_write_leaves_nothing(place: Place) -> None:
    url = place.at("a")
    place.put(place.at("other"), b"")

    def halt(_size: int) -> None:
        raise HaltedError

    with pytest.raises(HaltedError):
        place.put(url, os.urandom(1024), advance=halt)

    if place.lists:
        assert [entry.name for entry in place.walk(place.url)] == ["other"]


def test_a_directory_lists_all_files_below_it(listing_place: Place) -> None:
    names = sorted(["a", "b c", "d/e", "d/f/g%20", "d/f/h?", "z#/1"])
    for name in names:
        listing_place.put(listing_place.at(name), _text(name))
    listing_place.put(listing_place.url + "-beside/x", b"")

    entries = listing_place.walk(listing_place.url)

    assert [entry.name for entry in entries] == names
    assert [entry.size for entry in entries] == [len(_text(name)) for name in names]
    assert listing_place.walk(listing_place.url + "/") == entries
    for name in names:
        assert listing_place.get(listing_place.at(name)) == _text(name)


def _text(name: str) -> bytes:
    return f"{name}\r\nend\n".encode()  # which a transfer as text would change


def test_a_directory_whose_name_is_a_pattern_is_listed(listing_place: Place) -> None:
    for name in ("run [1]/a", "run [1]/sub{2}*/b", "run [1]/.hidden"):
        listing_place.put(listing_place.at(name), b"x")

    entries = listing_place.walk(listing_place.at("run [1]"))

    assert [entry.name for entry in entries] == [".hidden", "a", "sub{2}*/b"]


def test_listing_a_file_says_what_to_give_instead(listing_place: Place) -> None:
    listing_place.put(listing_place.at("d/a"), b"x")

    with pytest.raises(StorageError, match="give the input type FILE") as caught:
        listing_place.list(listing_place.at("d/a"))

    assert not caught.value.transient


def test_a_directory_is_one(listing_place: Place) -> None:
    listing_place.put(listing_place.at("d/e"), b"")

    stat = listing_place.stat(listing_place.at("d"))

    assert stat is not None
    assert stat.is_directory


def test_writing_onto_a_directory_says_what_to_give_instead(tree_place: Place) -> None:
    tree_place.put(tree_place.at("d/a"), b"x")

    with pytest.raises(StorageError, match="is a directory; end the url") as caught:
        tree_place.put(tree_place.at("d"), b"y")

    assert not caught.value.transient
    assert [entry.name for entry in tree_place.walk(tree_place.url)] == ["d/a"]


def test_listing_what_is_not_there_fails_for_good(listing_place: Place) -> None:
    with pytest.raises(StorageError, match="does not exist") as caught:
        listing_place.list(listing_place.at("none"))

    assert not caught.value.transient


def test_empty_directories_are_kept_where_there_are_any(listing_place: Place) -> None:
    listing_place.put(listing_place.at("a"), b"")
    listing_place.make_directory(listing_place.at("b/c"))

    found = [
        (entry.name, entry.is_directory)
        for entry in listing_place.walk(listing_place.url)
    ]
    assert found == [("a", False)] + (
        [("b/c", True)] if listing_place.has_directories else []
    )
