"""``s3://bucket/key``: AWS S3 and compatible services.

Keys are literal. An object is read by one GET: what a listing said of it, or its own
response, replaces a HEAD.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus

from tesk_filer.adapters.storage.http_exchange import Response
from tesk_filer.adapters.storage.http_pool import HttpPool
from tesk_filer.adapters.storage.s3_checksums import md5_of_etag, read_checksums
from tesk_filer.adapters.storage.s3_environment import AwsEnvironment
from tesk_filer.adapters.storage.s3_errors import S3RefusedError, TranslatedErrors
from tesk_filer.adapters.storage.s3_messages import Listing, parse_listing
from tesk_filer.adapters.storage.s3_requests import S3Request, S3Requests
from tesk_filer.adapters.storage.s3_uploads import ONE_REQUEST, S3Uploads
from tesk_filer.adapters.storage.storage_config import StorageConfig
from tesk_filer.ports import (
    Advance,
    ChangedError,
    Checksums,
    Cursor,
    Entry,
    Page,
    Part,
    Source,
    Stat,
    StorageError,
)
from tesk_model.locations import Location
from tesk_runtime.clock import SystemClock

_WITH_CHECKSUMS = {"x-amz-checksum-mode": "ENABLED"}
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class S3Storage:
    """Objects in buckets; a directory is a common prefix that ends in ``/``."""

    def __init__(self, requests: S3Requests, *, connections: int) -> None:
        """Send ``requests``, and as many parts of large files at once."""
        self._requests = requests
        self._uploads = S3Uploads(requests=requests, parallel=connections)

    def stat(self, location: Location) -> Stat | None:
        """See ``Storage``."""
        key = location.path
        if key and not key.endswith("/"):
            found = self._head(location)
            if found is not None:
                return found
        page = self._list(location, _prefix(key), limit=1)
        return Stat(is_directory=True) if page.objects else None

    def list(self, location: Location, cursor: Cursor = ()) -> Page:
        """See ``Storage``; objects whose key ends in ``/`` mark directories."""
        prefix = _prefix(location.path)
        page = self._list(location, prefix, after=cursor[0] if cursor else "")
        if not page.objects and not cursor and prefix:
            raise StorageError(self._no_directory(location))
        named = [(each.key.removeprefix(prefix), each) for each in page.objects]
        return Page(
            [
                Entry(name=name, size=each.size, etag=each.etag)
                for name, each in named
                if not each.key.endswith("/")
            ],
            (page.following, ()) if page.following else (),
            [
                f'{name} ends in "/" but is no empty marker of a directory, left out'
                for name, each in named
                if each.key.endswith("/") and each.size
            ],
        )

    @contextmanager
    def open(
        self, location: Location, *, part: Part | None = None, known: Stat | None = None
    ) -> Iterator["_Download"]:
        """See ``Storage``; an object that changes meanwhile is an error."""
        _check_file(location)
        headers = {} if part else dict(_WITH_CHECKSUMS)
        if part:
            headers["range"] = f"bytes={part.start}-{part.stop - 1}"
        if known and known.etag:
            headers["if-match"] = known.etag
        request = S3Request(
            method="GET", location=location, key=location.path, headers=headers
        )
        try:
            with self._requests.send(request) as response:
                yield _Download(response, part, known)
        except S3RefusedError as error:
            if not error.is_absent:
                raise
            raise StorageError(self._absence(location)) from error

    def write(self, location: Location, source: Source, advance: Advance) -> None:
        """See ``Storage``; an object appears whole or not at all."""
        _check_file(location)
        self._uploads.write(location, source, advance)
        if source.size > ONE_REQUEST:
            self._verify(location, source.size)

    def remove(self, location: Location) -> None:
        """See ``usecases.checks.Removes``."""
        _check_file(location)
        self._requests.call(
            S3Request(method="DELETE", location=location, key=location.path)
        )

    def make_directory(self, location: Location) -> None:
        """See ``Storage``; there are none."""

    def close(self) -> None:
        """Close all connections."""
        self._uploads.close()
        self._requests.pool.close()

    def _verify(self, location: Location, size: int) -> None:
        try:
            found = self._head(location)
        except StorageError:
            return  # the right to write does not imply the right to read
        if found is None or found.size != size:
            there = "nothing" if found is None else f"{found.size} bytes"
            message = f"{size} bytes were sent and {there} arrived"
            raise StorageError(message, transient=True)

    def _head(self, location: Location) -> Stat | None:
        request = S3Request(
            method="HEAD",
            location=location,
            key=location.path,
            headers=_WITH_CHECKSUMS,
        )
        try:
            headers, _ = self._requests.call(request)
        except S3RefusedError as error:
            if error.is_absent:
                return None
            raise
        size = headers.get("content-length", "")
        return Stat(
            size=int(size) if size.isdecimal() else None,
            etag=headers.get("etag", ""),
            checksums=read_checksums(headers),
        )

    def _list(
        self, location: Location, prefix: str, *, after: str = "", limit: int = 0
    ) -> Listing:
        query = {"list-type": "2", "prefix": prefix, "encoding-type": "url"}
        if after:
            query["continuation-token"] = after
        if limit:
            query["max-keys"] = str(limit)
        request = S3Request(method="GET", location=location, query=query)
        return parse_listing(self._requests.call(request)[1])

    def _no_directory(self, location: Location) -> str:
        key = location.path
        with suppress(StorageError):
            # The right to list does not imply the right to read.
            if not key.endswith("/") and self._head(location):
                return "is a file; give the input type FILE"
        return f'does not exist: no key in the bucket starts with "{_prefix(key)}"'

    def _absence(self, location: Location) -> str:
        """Return what is missing: the response to GET does not say it."""
        if self._list(location, _prefix(location.path), limit=1).objects:
            return "is a directory; give the input type DIRECTORY"
        return "does not exist (404); check the key"


class _Download:
    """An object that is downloaded; satisfies ``ports.Reader``."""

    executable = False
    descriptor = None

    def __init__(
        self, response: Response, part: Part | None, known: Stat | None
    ) -> None:
        headers = response.headers
        self._response = response
        self.size = _whole_size(response, part)
        if known and None not in (known.size, self.size) and known.size != self.size:
            raise ChangedError
        self.etag = headers.get("etag", known.etag if known else "")
        self.has_parts = bool(self.etag)
        self.checksums: Checksums = read_checksums(headers)
        if part:
            md5 = md5_of_etag(self.etag, headers)
            self.checksums = {"md5": md5} if md5 else {}

    def read(self, size: int) -> bytes:
        with TranslatedErrors():
            return self._response.read(size)


def _whole_size(response: Response, part: Part | None) -> int | None:
    """Return the bytes of the object; refuse what is not the part asked for."""
    length = response.headers.get("content-length", "")
    coming = int(length) if length.isdecimal() else None
    if part is None:
        return coming
    found = _RANGE.fullmatch(response.headers.get("content-range", ""))
    if response.status == HTTPStatus.PARTIAL_CONTENT and found is not None:
        first, last, size = map(int, found.groups())
        if (first, last + 1) == (part.start, part.stop):
            return size
        raise ChangedError
    if (part.start, part.stop) == (0, coming):
        return coming
    raise StorageError("the service sends other bytes than those that were asked for")


def open_storage(config: StorageConfig) -> S3Storage:
    """Return the storage of s3."""
    pool = HttpPool(
        timeouts=config.timeouts, size=config.connections * 2, environ=config.environ
    )
    requests = S3Requests(
        pool=pool,
        credentials=config.credentials,
        environment=AwsEnvironment(config.environ),
        now=SystemClock().now,
    )
    return S3Storage(requests, connections=config.connections)


def _check_file(location: Location) -> None:
    if not location.path:
        raise StorageError("names a bucket, not a file")


def _prefix(key: str) -> str:
    return key.rstrip("/") + "/" if key.strip("/") else ""
