"""``http(s)://``: GET by smart_open, PUT by requests.

HTTP has no listing, so a directory cannot be an input; a directory of outputs
is one PUT a file. User and password of the url, or else of the operator's logins,
become basic authentication; ``~/.netrc`` is never consulted, since it is not the
task's.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import requests
import requests.adapters
import smart_open.http

from tesk_filer.adapters.storage.http_errors import check, explain
from tesk_filer.adapters.storage.logins import Logins, login_for
from tesk_filer.adapters.storage.network import Timeouts
from tesk_filer.domain.locations import parse_url, without_userinfo
from tesk_filer.ports import (
    Ability,
    Advance,
    Cursor,
    Page,
    Source,
    Stat,
    StorageError,
)

_CHUNK = 1024 * 1024
_IDENTITY = {"Accept-Encoding": "identity"}
_NO_HEAD = frozenset(
    {
        HTTPStatus.FORBIDDEN,  # a url may be signed for GET alone
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.NOT_IMPLEMENTED,
    }
)
_MAX_HOPS = 5
_NOBODY: Logins = MappingProxyType({})


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
        self._session = _Session(logins)
        adapter = _BigBlocks(pool_maxsize=connections)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def abilities(self, _url: str) -> Ability:
        """See ``Storage``."""
        return Ability.READ | Ability.WRITE | Ability.RANGES

    def stat(self, url: str) -> Stat | None:
        """See ``Storage``; every answer is taken for a file."""
        answer = self._ask("HEAD", url)
        if answer.status_code in _NO_HEAD:
            answer = self._ask("GET", url)
        answer.close()
        if answer.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            return None
        check(answer)
        return Stat(size=_length(answer), etag=answer.headers.get("ETag", ""))

    def list(self, url: str, cursor: Cursor = ()) -> Page:
        """See ``Storage``; always raises StorageError."""
        del url, cursor
        raise StorageError(
            "http has no listing of directories; name the files one by one, or use "
            "s3, ftp or file"
        )

    @contextmanager
    def open(self, url: str, *, offset: int = 0) -> Iterator["_Download"]:
        """See ``Storage``."""
        user, password = self._login(url) or (None, None)
        try:
            stream = smart_open.http.open(
                without_userinfo(url),
                "rb",
                user=user,
                password=password,
                headers=dict(_IDENTITY),
                timeout=self._timeout,  # type: ignore[arg-type]  # handed on to requests, which takes a pair
                session=self._session,
                buffer_size=_CHUNK,
            )
        except (requests.RequestException, OSError, UnicodeError) as error:
            raise explain(error) from error
        with stream:
            download = _Download(stream)
            if offset:
                download.seek(offset)
            yield download

    def write(self, url: str, source: Source, advance: Advance) -> None:
        """See ``Storage``; the server decides whether it replaces atomically."""
        target = url
        for _ in range(_MAX_HOPS):
            os.lseek(source.descriptor, 0, os.SEEK_SET)
            body = _Body(source, advance) if source.size else b""
            answer = self._ask("PUT", target, body)
            answer.close()
            if answer.status_code not in (
                HTTPStatus.TEMPORARY_REDIRECT,
                HTTPStatus.PERMANENT_REDIRECT,
            ):
                break
            # Without user and password: the next host may be a stranger's.
            target = requests.compat.urljoin(
                without_userinfo(target), answer.headers.get("Location", "")
            )
        check(answer)
        self._verify(target, source.size)

    def make_directory(self, url: str) -> None:
        """See ``Storage``; there are none."""

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def _verify(self, url: str, size: int) -> None:
        """Compare sizes where the server tells; some take files and show none."""
        try:
            answer = self._ask("HEAD", url)
        except StorageError:
            return
        answer.close()
        # What is shown encoded has another length than what was sent.
        is_plain = answer.ok and not answer.headers.get("Content-Encoding")
        there = _length(answer) if is_plain else None
        if there is not None and there != size:
            message = f"the server was sent {size} bytes and now has {there}"
            raise StorageError(message, transient=True)

    def _ask(self, method: str, url: str, body: "_Body | bytes | None" = None) -> Any:
        try:
            return self._session.request(
                method,
                without_userinfo(url),
                auth=self._login(url),
                data=body,
                headers=_IDENTITY,
                timeout=self._timeout,
                stream=True,
                allow_redirects=method != "PUT",
            )
        except (requests.RequestException, OSError, UnicodeError) as error:
            raise explain(error) from error

    def _login(self, url: str) -> tuple[str, str] | None:
        location = parse_url(url)
        return login_for(self._logins, location.host, location.user, location.password)


class _Download:
    """A file that arrives; satisfies ``ports.Reader``."""

    executable = False
    descriptor = None

    def __init__(self, stream: Any) -> None:
        self._stream: BinaryIO = stream
        self.size = _length(stream.response)
        self.etag: str = stream.response.headers.get("ETag", "")

    def read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except Exception as error:  # smart_open lets urllib3's errors pass
            raise explain(error) from error

    def seek(self, offset: int) -> None:
        try:
            self._stream.seek(offset)
        except Exception as error:
            raise explain(error) from error


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
    """Ignores ``~/.netrc``, also when it is sent elsewhere; proxies still work."""

    def __init__(self, logins: Logins) -> None:
        super().__init__()
        self._logins = logins
        self.auth = lambda request: request

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        headers = prepared_request.headers
        before, after = response.request.url or "", prepared_request.url or ""
        if "Authorization" in headers and self.should_strip_auth(before, after):  # type: ignore[no-untyped-call]  # the stubs leave it out
            del headers["Authorization"]
        # Some archives redirect to the host where one logs in.
        login = self._logins.get((urlsplit(after).hostname or "").lower())
        if login is not None and "Authorization" not in headers:
            prepared_request.prepare_auth(login)


class _BigBlocks(requests.adapters.HTTPAdapter):
    """Sends in large blocks; the default of 16 KiB costs much CPU."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, blocksize=_CHUNK)


def _length(answer: Any) -> int | None:
    text = answer.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else None
