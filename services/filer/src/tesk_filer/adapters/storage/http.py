"""``http(s)://``: GET and PUT by requests.

Not by smart_open: it takes every answer below 400 for the file, and its import
loads the libraries of all other storages, three times the CPU of a transfer.

HTTP has no listing, so a directory cannot be an input; a directory of outputs
is one PUT a file. User and password of the url, or else of the operator's logins,
become basic authentication; ``~/.netrc`` is never consulted, since it is not the
task's.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple

import requests
import requests.adapters

from tesk_filer.adapters.storage.http_errors import (
    check_file,
    check_written,
    explain,
    length_of,
    tag_of,
)
from tesk_filer.adapters.storage.http_redirects import keeps_login, redirect_of
from tesk_filer.adapters.storage.logins import Logins, login_for
from tesk_filer.adapters.storage.storage_config import StorageConfig, Timeouts
from tesk_filer.ports import (
    Advance,
    Cursor,
    Page,
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
_NOBODY: Logins = MappingProxyType({})
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class HttpStorage:
    """Files behind http and https urls."""

    def __init__(
        self, *, timeouts: Timeouts, connections: int, logins: Logins = _NOBODY
    ) -> None:
        """Keep up to ``connections`` open to each host."""
        self._timeout = (
            timeouts.connect.total_seconds(),
            timeouts.stall.total_seconds(),
        )
        self._logins = logins
        self._session = _Session()
        adapter = _BigBlocks(pool_maxsize=connections)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def stat(self, location: Location) -> Stat | None:
        """See ``Storage``; every answer is taken for a file."""
        answer, _ = self._follow("HEAD", location)
        if answer.status_code in _NO_HEAD:
            answer.close()
            answer, _ = self._follow("GET", location)
        answer.close()
        if answer.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            return None
        check_file(answer)
        return Stat(size=length_of(answer), etag=answer.headers.get("ETag", ""))

    def list(self, location: Location, cursor: Cursor = ()) -> Page:
        """See ``Storage``; always raises StorageError."""
        del location, cursor
        raise StorageError(
            "http has no listing of directories; name the files one by one, or use "
            "s3, ftp or file"
        )

    @contextmanager
    def open(self, location: Location, *, offset: int = 0) -> Iterator["_Download"]:
        """See ``Storage``."""
        wanted = {"Range": f"bytes={offset}-"} if offset else {}
        answer, _ = self._follow("GET", location, headers=wanted)
        try:
            check_file(answer, offset=offset)
            yield _Download(answer, offset)
        finally:
            answer.close()

    def write(self, location: Location, source: Source, advance: Advance) -> None:
        """See ``Storage``; the server decides whether it replaces atomically."""

        def body() -> "_Body | bytes":
            os.lseek(source.descriptor, 0, os.SEEK_SET)
            return _Body(source, advance) if source.size else b""

        answer, place = self._follow("PUT", location, body=body)
        answer.close()
        check_written(answer)
        self._verify(place, source.size, tag_of(answer))

    def make_directory(self, location: Location) -> None:
        """See ``Storage``; there are none."""

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def _verify(self, place: "_Place", size: int, tag: str) -> None:
        """Compare sizes where the server tells.

        Some servers do not count for HEAD, so that only GET disproves, too.
        """
        there = None
        for method in ("HEAD", "GET"):
            there = self._size_there(method, place, tag)
            if there is None or there == size:
                return
        message = f"the server was sent {size} bytes and now has {there}"
        raise StorageError(message, transient=True)

    def _size_there(self, method: str, place: "_Place", tag: str) -> int | None:
        """Return the size of what was written; None if the answer is not about it.

        Only a plain 200 for this very url is: some servers take files and show
        none, and what they redirect to is another thing, as is what they show
        encoded, under another tag, or from a cache.
        """
        try:
            answer = self._ask(method, place, _UNCACHED)
            answer.close()
            is_encoded = bool(answer.headers.get("Content-Encoding"))
            is_other = tag and tag_of(answer) not in ("", tag)
            if answer.status_code != HTTPStatus.OK or is_encoded or is_other:
                return None
            return length_of(answer)
        except StorageError:
            return None

    def _follow(
        self,
        method: str,
        location: Location,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        body: "Callable[[], _Body | bytes] | None" = None,
    ) -> tuple[requests.Response, "_Place"]:
        """Ask, and where the server redirects to; return who answered what."""
        place = _Place(location, self._login(location))
        for _ in range(_MAX_HOPS):
            answer = self._ask(method, place, headers, body() if body else None)
            try:
                target = redirect_of(method, place.location, answer)
            except StorageError:
                answer.close()
                raise
            if target is None:
                return answer, place
            answer.close()
            # Some archives redirect to the host where one logs in.
            login = self._login(target)
            if login is None and keeps_login(place.location, target):
                login = place.login
            place = _Place(target, login)
        raise StorageError("redirects without end")

    def _ask(
        self,
        method: str,
        place: "_Place",
        headers: Mapping[str, str] = _NO_HEADERS,
        body: "_Body | bytes | None" = None,
    ) -> requests.Response:
        try:
            return self._session.request(
                method,
                place.location.url,
                auth=place.login and _encodable(*place.login),
                data=body,
                headers={**_IDENTITY, **headers},
                timeout=self._timeout,
                stream=True,
                allow_redirects=False,
            )
        except (requests.RequestException, OSError, ValueError) as error:
            raise explain(error) from error

    def _login(self, location: Location) -> tuple[str, str] | None:
        return login_for(self._logins, location.host, location.user, location.password)


def open_storage(config: StorageConfig) -> HttpStorage:
    """Return the storage of http and https."""
    return HttpStorage(
        timeouts=config.timeouts, connections=config.connections, logins=config.logins
    )


def _encodable(user: str, password: str) -> tuple[str, str]:
    """Return what requests, which sends Latin-1, sends as UTF-8 where it must be.

    Source:
        RFC 7617, 2.1 "The 'charset' auth-param".
    """
    try:
        f"{user}{password}".encode("latin-1")
    except UnicodeEncodeError:
        return user.encode().decode("latin-1"), password.encode().decode("latin-1")
    return user, password


class _Place(NamedTuple):
    """Where something is asked for, and who we are there."""

    location: Location
    login: tuple[str, str] | None


class _Download:
    """A file that arrives; satisfies ``ports.Reader``."""

    executable = False
    descriptor = None

    def __init__(self, answer: requests.Response, offset: int) -> None:
        self._stream = answer.raw
        is_part = answer.status_code == HTTPStatus.PARTIAL_CONTENT
        length = length_of(answer)
        self.size = None if length is None else length + (offset if is_part else 0)
        self.etag: str = answer.headers.get("ETag", "")
        left = 0 if is_part else offset  # of a server that knows no ranges
        while left:
            left -= len(self.read(min(left, _CHUNK))) or left

    def read(self, size: int) -> bytes:
        try:
            data: bytes = self._stream.read(size)
        except Exception as error:  # requests lets urllib3's errors pass here
            raise explain(error) from error
        return data


class _Body:
    """What a PUT sends; counts as it is read."""

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
        """Say that there is none: asked even if redirects are not followed."""
        del resp


class _BigBlocks(requests.adapters.HTTPAdapter):
    """Sends in large blocks; the default of 16 KiB costs much CPU."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, blocksize=_CHUNK)
