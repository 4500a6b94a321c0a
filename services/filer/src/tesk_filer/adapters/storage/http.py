"""``http(s)://``: GET, and PUT or POST.

smart_open is not used: it takes every response below 400 for the file, and its import
loads the libraries of all other storages, three times the CPU of a transfer.

A directory of outputs is one request a file. User and password of the url, or else the
operator's login or token, are used for authentication; ``~/.netrc`` is never read.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from types import MappingProxyType

from tesk_filer.adapters.storage.cursors import prepend
from tesk_filer.adapters.storage.http_bodies import FileBody
from tesk_filer.adapters.storage.http_client import (
    HttpClient,
    Recipient,
    open_client,
)
from tesk_filer.adapters.storage.http_digests import checksums_of
from tesk_filer.adapters.storage.http_errors import (
    check_file,
    check_written,
    length_of,
    tag_of,
    told_size,
)
from tesk_filer.adapters.storage.http_index import (
    MAX_PAGE,
    directory_at,
    parse_index,
)
from tesk_filer.adapters.storage.http_reading import (
    Download,
    check_unchanged,
    conditions,
    has_end,
    version_of,
)
from tesk_filer.adapters.storage.storage_config import HttpOptions, StorageConfig
from tesk_filer.ports import (
    Advance,
    Cursor,
    Entry,
    Page,
    Part,
    Source,
    Stat,
    StorageError,
)
from tesk_model.locations import Location
from tesk_model.url_lists import begins_with_one

_UNCACHED = MappingProxyType({"Cache-Control": "no-cache"})
_NO_HEAD = frozenset(
    {
        HTTPStatus.FORBIDDEN,  # a url may be signed for GET alone
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.NOT_IMPLEMENTED,
    }
)


class HttpStorage:
    """Files behind http and https urls."""

    def __init__(self, client: HttpClient, options: HttpOptions | None = None) -> None:
        """Send requests by ``client``."""
        self._client = client
        self._options = options or HttpOptions()

    def stat(self, location: Location) -> Stat | None:
        """See ``Storage``; every successful response is a file."""
        response, recipient = self._client.follow("HEAD", location)
        response.finish()
        if response.status in _NO_HEAD:
            response, recipient = self._client.follow("GET", location)
            response.close()
        if response.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            return None
        check_file(response)
        return Stat(
            size=length_of(response),
            etag=version_of(response),
            checksums=checksums_of(response),
            is_private=recipient.is_private,
        )

    def list(self, location: Location, cursor: Cursor = ()) -> Page:
        """See ``Storage``; each page is the index page of one directory.

        Only where the operator says that there are such pages.
        """
        if not begins_with_one(location, self._options.index_pages):
            raise StorageError(
                "http has no listing of directories; name the files one by one, use "
                "s3, ftp or file, or let the operator add it to urls.index_pages"
            )
        relative, pending = cursor or ("", ())
        here = location.below(relative) if relative else location
        directory = directory_at(here)
        names = parse_index(self._read_index(directory), directory)
        below = f"{relative}/" if relative else ""
        entries = [
            Entry(name=below + each.name) for each in names if not each.is_directory
        ]
        if relative and not names:
            entries.append(Entry(name=relative, is_directory=True))
        folders = [below + each.name for each in names if each.is_directory]
        return Page(
            entries,
            prepend(folders, pending),
            directory=directory.canonical,
            depth=relative.count("/") + 1 if relative else 0,
        )

    def _read_index(self, directory: Location) -> str:
        response, recipient = self._client.follow("GET", directory)
        try:
            check_file(response)
            if recipient.location.canonical != directory.canonical:
                raise StorageError("its index page is elsewhere; give that url")
            kind = response.headers.get("Content-Type", "")
            if "html" not in kind.lower():
                raise StorageError(
                    "is no index page of a directory; give the input type FILE"
                )
            page = response.read_document(MAX_PAGE)
        finally:
            response.close()
        return page.decode("utf-8", "surrogateescape")

    @contextmanager
    def open(
        self,
        location: Location,
        *,
        part: Part | None = None,
        known: Stat | None = None,
        given: Mapping[str, str] = MappingProxyType({}),
    ) -> Iterator[Download]:
        """See ``Storage``; ``given`` headers go to this server alone."""
        response, recipient = self._client.follow(
            "GET", location, headers=conditions(known, part), given=given
        )
        try:
            check_file(response, part=part)
            if known:
                check_unchanged(response, known)
            size = None
            if not has_end(response):
                # Anybody on the way can end the connection.
                told = known.size if known else None
                size = told or self._size_of(recipient, tag_of(response))
            yield Download(response, part, size, is_private=recipient.is_private)
        finally:
            response.close()

    def write(self, location: Location, source: Source, advance: Advance) -> str:
        """See ``Storage``; the server decides whether it replaces atomically."""
        is_post = begins_with_one(location, self._options.post)
        response, recipient = self._client.follow(
            "POST" if is_post else "PUT",
            location,
            headers={"Content-Type": "application/octet-stream"},
            body=FileBody(source.descriptor, 0, source.size, advance),
        )
        response.finish()
        check_written(response)
        if is_post:  # whose url need not be the file's
            return ""
        self._verify(recipient, source.size, tag_of(response))
        return version_of(response)

    def make_directory(self, location: Location) -> None:
        """See ``Storage``; there are none."""

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _size_of(self, recipient: Recipient, tag: str) -> int | None:
        """Ask for the size of a file; None if it is not told.

        Some servers say 0 of what they make when they are asked for it.
        """
        response = self._client.send("HEAD", recipient)
        response.finish()
        return told_size(response, tag) or None

    def _verify(self, recipient: Recipient, size: int, tag: str) -> None:
        """Compare sizes where the server reports them.

        Some servers report a wrong size for HEAD, so a GET must confirm a difference.
        """
        there = None
        for method in ("HEAD", "GET"):
            there = self._size_there(method, recipient, tag)
            if there is None or there == size:
                return
        message = f"the server was sent {size} bytes and now has {there}"
        raise StorageError(message, transient=True)

    def _size_there(self, method: str, recipient: Recipient, tag: str) -> int | None:
        """Return the size of the written file; None if it is not told.

        Some servers accept files and serve none.
        """
        try:
            response = self._client.send(method, recipient, _UNCACHED)
            response.finish()
            return told_size(response, tag)
        except StorageError:
            return None


def open_storage(config: StorageConfig) -> HttpStorage:
    """Return the storage of http and https."""
    return HttpStorage(open_client(config), config.http)
