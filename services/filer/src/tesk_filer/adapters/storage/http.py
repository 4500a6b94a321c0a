"""``http(s)://``: GET and PUT by requests.

smart_open is not used: it takes every response below 400 for the file, and its import
loads the libraries of all other storages, three times the CPU of a transfer.

HTTP has no listing, so a directory cannot be an input; a directory of outputs
is one PUT a file. User and password of the url, or else the operator's login,
are used for basic authentication; ``~/.netrc`` is never read.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from types import MappingProxyType
from typing import NamedTuple

import requests

from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.adapters.storage.http_connections import GuardedAdapter
from tesk_filer.adapters.storage.http_errors import (
    check_file,
    check_written,
    explain,
    length_of,
    tag_of,
    whole_length_of,
)
from tesk_filer.adapters.storage.http_redirects import keeps_login, redirect_of
from tesk_filer.adapters.storage.setting_credentials import SettingCredentials
from tesk_filer.adapters.storage.storage_config import StorageConfig, Timeouts
from tesk_filer.domain.credentials import Login, with_login_of
from tesk_filer.ports import (
    NO_CHECKSUMS,
    Advance,
    ChangedError,
    Credentials,
    Cursor,
    Page,
    Part,
    Source,
    Stat,
    StorageError,
)
from tesk_model.locations import Location

_CHUNK = 1024 * 1024
_IDENTITY = {"Accept-Encoding": "identity"}
_UNCACHED = {"Cache-Control": "no-cache"}
_NO_HEAD = frozenset(
    {
        HTTPStatus.FORBIDDEN,  # a url may be signed for GET alone
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.NOT_IMPLEMENTED,
    }
)
_MAX_HOPS = 20
_NO_CREDENTIALS = SettingCredentials()
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class HttpStorage:
    """Files behind http and https urls."""

    def __init__(
        self,
        *,
        timeouts: Timeouts,
        connections: int,
        credentials: Credentials = _NO_CREDENTIALS,
        egress: Egress,
    ) -> None:
        """Keep up to ``connections`` open to each host."""
        self._timeout = (
            timeouts.connect.total_seconds(),
            timeouts.stall.total_seconds(),
        )
        self._credentials = credentials
        self._egress = egress
        self._session = _Session()
        adapter = GuardedAdapter(egress, pool_maxsize=connections)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def stat(self, location: Location) -> Stat | None:
        """See ``Storage``; every successful response is a file."""
        response, _ = self._follow("HEAD", location)
        if response.status_code in _NO_HEAD:
            response.close()
            response, _ = self._follow("GET", location)
        response.close()
        if response.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            return None
        check_file(response)
        return Stat(size=length_of(response), etag=response.headers.get("ETag", ""))

    def list(self, location: Location, cursor: Cursor = ()) -> Page:
        """See ``Storage``; always raises StorageError."""
        del location, cursor
        raise StorageError(
            "http has no listing of directories; name the files one by one, or use "
            "s3, ftp or file"
        )

    @contextmanager
    def open(
        self, location: Location, *, part: Part | None = None, known: Stat | None = None
    ) -> Iterator["_Download"]:
        """See ``Storage``."""
        wanted = {}
        if part:
            wanted["Range"] = f"bytes={part.start}-{part.stop - 1}"
        if known and _is_strong(known.etag):
            wanted["If-Match"] = known.etag
        response, _ = self._follow("GET", location, headers=wanted)
        try:
            check_file(response, part=part)
            tag = response.headers.get("ETag", "")
            if known and known.etag and tag not in ("", known.etag):
                raise ChangedError
            yield _Download(response, part)
        finally:
            response.close()

    def write(self, location: Location, source: Source, advance: Advance) -> None:
        """See ``Storage``; the server decides whether it replaces atomically."""

        def body() -> "_Body | bytes":
            os.lseek(source.descriptor, 0, os.SEEK_SET)
            return _Body(source, advance) if source.size else b""

        response, recipient = self._follow("PUT", location, body=body)
        response.close()
        check_written(response)
        self._verify(recipient, source.size, tag_of(response))

    def make_directory(self, location: Location) -> None:
        """See ``Storage``; there are none."""

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def _verify(self, recipient: "_Recipient", size: int, tag: str) -> None:
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

    def _size_there(self, method: str, recipient: "_Recipient", tag: str) -> int | None:
        """Return the size of the written file; None if the response is not about it.

        Only a plain 200 for the same url counts: some servers accept files and serve
        none, or redirect, or respond encoded, with another ETag, or from a cache.
        """
        try:
            response = self._send(method, recipient, _UNCACHED)
            response.close()
            is_encoded = bool(response.headers.get("Content-Encoding"))
            is_other = tag and tag_of(response) not in ("", tag)
            if response.status_code != HTTPStatus.OK or is_encoded or is_other:
                return None
            return length_of(response)
        except StorageError:
            return None

    def _follow(
        self,
        method: str,
        location: Location,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        body: "Callable[[], _Body | bytes] | None" = None,
    ) -> tuple[requests.Response, "_Recipient"]:
        """Send a request and follow redirects; return the last response and request."""
        recipient = _Recipient(location, self._login(location))
        for _ in range(_MAX_HOPS):
            response = self._send(method, recipient, headers, body() if body else None)
            try:
                target = redirect_of(method, recipient.location, response)
            except StorageError:
                response.close()
                raise
            if target is None:
                return response, recipient
            response.close()
            self._egress.check(target)
            # Some archives redirect to a login host.
            login = self._login(target)
            if login is None and keeps_login(recipient.location, target):
                login = recipient.login
            recipient = _Recipient(target, login)
        raise StorageError("redirects without end")

    def _send(
        self,
        method: str,
        recipient: "_Recipient",
        headers: Mapping[str, str] = _NO_HEADERS,
        body: "_Body | bytes | None" = None,
    ) -> requests.Response:
        try:
            return self._session.request(
                method,
                recipient.location.url,
                auth=_encodable(recipient.login) if recipient.login else None,
                data=body,
                headers={**_IDENTITY, **headers},
                timeout=self._timeout,
                stream=True,
                allow_redirects=False,
            )
        except (requests.RequestException, OSError, ValueError) as error:
            raise explain(error) from error

    def _login(self, location: Location) -> Login | None:
        found = with_login_of(location, self._credentials.find(location))
        return found if isinstance(found, Login) else None


def open_storage(config: StorageConfig) -> HttpStorage:
    """Return the storage of http and https."""
    return HttpStorage(
        timeouts=config.timeouts,
        connections=config.connections,
        credentials=config.credentials,
        egress=config.egress,
    )


def _is_strong(etag: str) -> bool:
    return etag.startswith('"')


def _encodable(login: Login) -> tuple[str, str]:
    """Return text that requests, which encodes as Latin-1, sends as UTF-8 if needed.

    Source:
        RFC 7617, 2.1 "The 'charset' auth-param".
    """
    user, password = login.user, login.password
    try:
        f"{user}{password}".encode("latin-1")
    except UnicodeEncodeError:
        return user.encode().decode("latin-1"), password.encode().decode("latin-1")
    return user, password


class _Recipient(NamedTuple):
    """Where a request is sent, and the credentials for it."""

    location: Location
    login: Login | None


class _Download:
    """A file that is downloaded; satisfies ``ports.Reader``."""

    checksums = NO_CHECKSUMS
    executable = False
    descriptor = None

    def __init__(self, response: requests.Response, part: Part | None) -> None:
        self._stream = response.raw
        is_part = response.status_code == HTTPStatus.PARTIAL_CONTENT
        self.size = whole_length_of(response)
        self.etag: str = response.headers.get("ETag", "")
        self.has_parts = response.headers.get(
            "Accept-Ranges", ""
        ).strip().lower() == "bytes" and _is_strong(self.etag)
        self._left = part.stop - part.start if part else None
        # The server does not support ranges.
        skipped = part.start if part and not is_part else 0
        while skipped:
            skipped -= len(self._receive(min(skipped, _CHUNK))) or skipped

    def read(self, size: int) -> bytes:
        if self._left is None:
            return self._receive(size)
        data = self._receive(min(size, self._left)) if self._left else b""
        self._left -= len(data)
        return data

    def _receive(self, size: int) -> bytes:
        try:
            data: bytes = self._stream.read(size)
        except Exception as error:  # requests lets urllib3's errors pass here
            raise explain(error) from error
        return data


class _Body:
    """The body of a PUT; reports progress as it is read."""

    def __init__(self, source: Source, advance: Advance) -> None:
        self._source = source
        self._advance = advance
        self._left = source.size

    def __len__(self) -> int:
        return self._source.size

    def read(self, size: int = _CHUNK) -> bytes:
        wanted = min(size if size > 0 else _CHUNK, self._left)
        data = os.read(self._source.descriptor, wanted)
        self._left -= len(data)
        if wanted and not data:
            raise StorageError("became shorter while it was sent", transient=True)
        self._advance(len(data))
        return data


class _Session(requests.Session):
    """Ignores ``~/.netrc`` and follows nothing; proxies and cookies work."""

    def __init__(self) -> None:
        super().__init__()
        self.auth = lambda request: request

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: called even if redirects are not followed."""
        del resp
