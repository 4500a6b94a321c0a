"""Directories are listed page by page, the next one while the files of one move."""

import resource
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.filer_storage import MemoryStorage
from programs.waiting import eventually
from tesk_filer.domain.expansion import Expansion, Limits, TooLargeError
from tesk_filer.ports import Cursor, Entry, HaltedError, Page, StorageError
from tesk_filer.usecases.listing import Listing
from tesk_filer.usecases.retry import Retry
from tesk_model.locations import Location, parse_location

FAR, NEAR = "s3://bucket/d", "file:///d"


@dataclass
class Pages(MemoryStorage):
    """A storage whose listing is ``answers``, one after another.

    Attributes:
        asked: Number of the pages that were asked for, and by which thread.
    """

    answers: list[Callable[[], Page]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def list(self, _location: Location, cursor: Cursor = ()) -> Page:
        """See ``Storage``."""
        self.asked.append(threading.current_thread().name)
        number = int(cursor[0]) if cursor else 0
        return self.answers[number]()


def page(number: int, following: int | None) -> Callable[[], Page]:
    cursor = () if following is None else (str(following), ())
    return lambda: Page([Entry(name=f"f{number}", size=1)], cursor)


def refused() -> Page:
    raise StorageError("is refused")


def listed(storage: Pages, url: str) -> tuple[list[str], list[int]]:
    """List everything; return the names, and how many pages were asked for at each."""
    halt = threading.Event()
    retry = Retry(tries=1, backoff=timedelta(), longest=timedelta(), halt=halt)
    listing = Listing(retry=retry, observed=lambda _: nullcontext())
    names, asked = list[str](), list[int]()
    pages = listing.pages(storage, parse_location(url), Expansion(Limits()).part())
    for number, each in enumerate(pages):
        names += [entry.name for entry in each.entries]
        if url == FAR and each.cursor:
            eventually(lambda number=number: len(storage.asked) == number + 2)  # type: ignore[misc]
        asked.append(len(storage.asked))
    return names, asked


def test_the_next_page_of_a_host_comes_while_the_files_of_one_move() -> None:
    storage = Pages(answers=[page(0, 1), page(1, 2), page(2, None)])

    names, asked = listed(storage, FAR)

    assert names == ["f0", "f1", "f2"]
    assert asked == [2, 3, 3]


def test_folders_of_this_machine_are_read_when_it_is_their_turn() -> None:
    storage = Pages(answers=[page(0, 1), page(1, 2), page(2, None)])

    names, asked = listed(storage, NEAR)

    assert names == ["f0", "f1", "f2"]
    assert asked == [1, 2, 3]
    assert set(storage.asked) == {threading.current_thread().name}


def test_a_page_that_is_refused_is_an_error_after_the_files_before_it() -> None:
    storage = Pages(answers=[page(0, 1), refused])
    listing = Listing(
        retry=Retry(
            tries=1,
            backoff=timedelta(),
            longest=timedelta(),
            halt=threading.Event(),
        ),
        observed=lambda _: nullcontext(),
    )
    pages = listing.pages(storage, parse_location(FAR), Expansion(Limits()).part())

    assert next(pages).entries[0].name == "f0"
    with pytest.raises(StorageError, match="is refused"):
        next(pages)


def test_a_page_that_leads_to_itself_is_an_error() -> None:
    storage = Pages(answers=[page(0, 1), page(1, 1)])

    with pytest.raises(StorageError, match="the same page again and again"):
        listed(storage, FAR)


HALTED = {
    "the first page": ((), 1),
    "a later page": ((page(0, 1),), 2),
    "the first folder of this machine": ((), 0),
}


@pytest.mark.parametrize(("pages", "asked"), HALTED.values(), ids=HALTED)
def test_nobody_waits_for_a_page_when_the_transfer_is_halted(
    pages: tuple[Callable[[], Page], ...], asked: int
) -> None:
    halt, released = threading.Event(), threading.Event()

    def stalled() -> Page:
        halt.set()
        released.wait(10)
        return Page([])

    storage = Pages(answers=[*pages, stalled])
    if not asked:
        halt.set()
    retry = Retry(tries=1, backoff=timedelta(), longest=timedelta(), halt=halt)
    listing = Listing(retry=retry, observed=lambda _: nullcontext())
    source = parse_location(FAR if asked else NEAR)

    with pytest.raises(HaltedError):
        list(listing.pages(storage, source, Expansion(Limits()).part()))

    assert len(storage.asked) == asked
    released.set()


class Endless(MemoryStorage):
    """Lists a thousand names a page, and never ends."""

    def list(self, _location: Location, cursor: Cursor = ()) -> Page:
        """See ``Storage``."""
        number = int(cursor[0]) if cursor else 0
        names = [Entry(name=f"{number}/{each}", size=1) for each in range(1000)]
        return Page(names, (str(number + 1), ()))


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024**2


def test_a_listing_without_end_is_given_up_in_bounded_memory() -> None:
    halt = threading.Event()
    retry = Retry(tries=1, backoff=timedelta(), longest=timedelta(), halt=halt)
    listing = Listing(retry=retry, observed=lambda _: nullcontext())
    pages = listing.pages(
        Endless(), parse_location(FAR), Expansion(Limits(files=100_000))
    )
    found = sum(len(next(pages).entries) for _ in range(10))
    before = resident_mib()

    found += sum(len(next(pages).entries) for _ in range(90))

    with pytest.raises(TooLargeError, match="more than 100,000 files"):
        next(pages)
    assert found == 100_000
    # So many entries are 15 MiB and more.
    assert resident_mib() - before < 5
    assert Limits().files == 1_000_000
