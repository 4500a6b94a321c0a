"""A storage to try, and plain ways to put files there and get them back."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta

from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.adapters.storage.http import HttpStorage
from tesk_filer.adapters.storage.http_client import HttpClient
from tesk_filer.adapters.storage.http_pool import HttpPool
from tesk_filer.adapters.storage.setting_credentials import SettingCredentials
from tesk_filer.adapters.storage.storage_config import HttpOptions, Timeouts
from tesk_filer.ports import (
    Credentials,
    Cursor,
    Entry,
    Page,
    Part,
    Reader,
    Source,
    Stat,
    Storage,
)
from tesk_filer.ports.batches import ListedLocation, WriteBatch
from tesk_model.locations import Location, parse_location
from tesk_model.schemes import SCHEMES
from tesk_runtime.egress.policy import EgressPolicy

TAG = "tesk-t1-a1-0"
"""Of the temporary names of what is written."""
TIMEOUTS = Timeouts(connect=timedelta(seconds=20), stall=timedelta(seconds=20))
OPEN_EGRESS = Egress(EgressPolicy(section="filer"))
"""Reaches the servers of the tests, which listen on loopback."""


def http_storage(
    timeouts: Timeouts,
    *,
    egress: Egress = OPEN_EGRESS,
    credentials: Credentials | None = None,
    options: HttpOptions | None = None,
) -> HttpStorage:
    """Return the storage of http and https."""
    options = options or HttpOptions()
    pool = HttpPool(
        timeouts=timeouts,
        size=2,
        environ={},
        authorities=options.authorities,
        egress=egress,
    )
    client = HttpClient(
        pool, egress=egress, credentials=credentials or SettingCredentials()
    )
    return HttpStorage(client, options)


@dataclass(frozen=True)
class Place:
    """A storage and a url below which nothing is, without a slash at its end.

    Attributes:
        has_directories: Whether there are empty ones.
    """

    storage: Storage
    url: str
    has_directories: bool = True

    @property
    def lists(self) -> bool:
        """Whether directories can be listed."""
        return SCHEMES[parse_location(self.url).scheme].lists

    def at(self, name: str) -> Location:
        """Return the location of ``name`` below the url."""
        return parse_location(self.url).below(name)

    def stat(self, url: str | Location) -> Stat | None:
        """Return what lies at ``url``."""
        return self.storage.stat(_location(url))

    def list(self, url: str | Location, cursor: Cursor = ()) -> Page:
        """List a page of what lies below ``url``."""
        return self.storage.list(_location(url), cursor)

    def open(
        self,
        url: str | Location,
        *,
        part: Part | None = None,
        known: Stat | None = None,
    ) -> AbstractContextManager[Reader]:
        """Open ``url`` for reading."""
        return self.storage.open(_location(url), part=part, known=known)

    def make_directory(self, url: str | Location) -> None:
        """Make the directory ``url``."""
        self.storage.make_directory(_location(url))

    def put(
        self,
        url: str | Location,
        content: bytes,
        *,
        executable: bool = False,
        advance: Callable[[int], None] = lambda _: None,
    ) -> str:
        """Write ``content`` to ``url``; return its ETag, if the storage tells it."""
        with _source(content, len(content), executable=executable) as source:
            return self.storage.write(_location(url), source, advance)

    def get(
        self,
        url: str | Location,
        *,
        part: Part | None = None,
        known: Stat | None = None,
    ) -> bytes:
        """Read ``url``, or ``part`` of it, to the end."""
        content = b""
        with self.open(url, part=part, known=known) as reader:
            while data := reader.read(1000_003):
                content += data
        return content

    def pages(self, url: str | Location) -> Iterator[Page]:
        """List everything below ``url``, page by page."""
        cursor: Cursor = ()
        while True:
            page = self.list(url, cursor)
            yield page
            cursor = page.cursor
            if not cursor:
                return

    def walk(self, url: str | Location) -> Sequence[Entry]:
        """List everything below ``url``, by name."""
        entries = [entry for page in self.pages(url) for entry in page.entries]
        return sorted(entries, key=lambda entry: entry.name)

    def listed(self) -> Sequence[ListedLocation]:
        """List the files below the url, as they are opened together."""
        return [(self.at(entry.name), entry) for entry in self.walk(self.url)]


def write_to(
    batch: WriteBatch,
    url: str,
    content: bytes,
    *,
    size: int | None = None,
    executable: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Write ``content`` to ``url``; ``size`` is what was said of it."""
    said = len(content) if size is None else size
    with _source(content, said, executable=executable) as source:
        batch.write(parse_location(url), source, advance)


@contextmanager
def _source(content: bytes, size: int, *, executable: bool) -> Iterator[Source]:
    """Give a file of the volume, of which ``size`` was said."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        yield Source(
            descriptor=file.fileno(),
            size=size,
            executable=executable,
            tag=TAG,
        )


def _location(url: str | Location) -> Location:
    return parse_location(url) if isinstance(url, str) else url
