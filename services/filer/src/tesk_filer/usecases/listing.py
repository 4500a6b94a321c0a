"""Lists a directory of a storage, within the limits of a transfer."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from tesk_filer.domain.expansion import Expansion
from tesk_filer.domain.redaction import excerpt
from tesk_filer.ports import Cursor, Page, Storage, StorageError
from tesk_filer.usecases.retry import Retry
from tesk_model.locations import Location

_MAX_SHOWN = 100  # characters of a name
_POLL_SECONDS = 0.2  # a signal sets halt without waking us


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Lists one directory after the other.

    Attributes:
        observed: Entered around each request, with the scheme.
    """

    retry: Retry
    observed: Callable[[str], AbstractContextManager[object]]

    def pages(
        self, storage: Storage, source: Location, expansion: Expansion
    ) -> Iterator[Page]:
        """Yield the pages of a directory, counted against the limits of ``expansion``.

        Raises:
            StorageError: It cannot be listed, or has what cannot be files.
            TooLargeError: It is larger than allowed.
            HaltedError: The transfer was stopped.
        """
        for page in self._pages(storage, source):
            if page.directory:
                expansion.enter(page.directory, page.depth)
            # Pages of nothing count, too: there may be no end of them.
            expansion.take(len(page.entries) + len(page.notes) or 1)
            # Only one of them could be kept.
            check_once(each.name for each in page.entries if not each.is_directory)
            for entry in page.entries:
                _check_name(entry.name)
                expansion.check_depth(entry.name.count("/"))
            yield page

    def _pages(self, storage: Storage, source: Location) -> Iterator[Page]:
        page = self._ask(storage, source, ())()
        while page.cursor:
            following = self._ask(storage, source, page.cursor)
            yield page
            page, before = following(), page
            if page.cursor == before.cursor:
                raise StorageError("the storage lists the same page again and again")
        yield page

    def _ask(
        self, storage: Storage, source: Location, cursor: Cursor
    ) -> Callable[[], Page]:
        """Ask for a page; return what waits for it.

        A host is asked at once, in a thread: its files need not wait for the response,
        and the response not for them; nor does the end of a transfer that is stopped,
        for a host that does not respond.
        """
        self.retry.check_halted()
        ask = partial(self._page, storage, source, cursor)
        if not source.host:
            return ask
        found: Future[Page] = Future()

        def settle() -> None:
            try:
                found.set_result(ask())
            except Exception as error:  # noqa: BLE001 - raised where it is waited for
                found.set_exception(error)

        threading.Thread(target=settle, name="listing", daemon=True).start()
        return partial(self._wait, found)

    def _wait(self, found: Future[Page]) -> Page:
        while not found.done():
            self.retry.check_halted()
            wait([found], _POLL_SECONDS)
        return found.result()

    def _page(self, storage: Storage, source: Location, cursor: Cursor) -> Page:
        with self.observed(source.scheme):
            return self.retry(partial(storage.list, source, cursor))


def check_once(names: Iterable[str]) -> None:
    """Check that names of one directory are there once.

    Raises:
        StorageError: One is not.
    """
    for name, count in Counter(names).most_common(1):
        if count > 1:
            raise StorageError(f"holds {excerpt(name, _MAX_SHOWN)!r} {count} times")


def _check_name(name: str) -> None:
    """Refuse a listed name that is not a path below the directory.

    Raises:
        StorageError: Names with empty, ``.`` or ``..`` segments, with NUL, or with half
            of a character (a lone surrogate).
    """
    try:
        written = os.fsencode(name)
    except UnicodeEncodeError:
        written = b"\0"
    if not {"", ".", ".."}.isdisjoint(name.split("/")) or b"\0" in written:
        message = f"holds {name!r}, which cannot be the name of a file"
        raise StorageError(message)
