"""Requests of services with a REST interface, over one pool of connections.

What a service calls its errors is a ``Dialect``; when a request may be repeated is one
rule for all of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode

import requests
import requests.adapters

from tesk_filer.adapters.storage.http_bodies import Body
from tesk_filer.adapters.storage.http_errors import explain, retry_after_of
from tesk_filer.adapters.storage.storage_config import Timeouts
from tesk_filer.ports import ChangedError, Part, Stat, StorageError

_BLOCK = 1024 * 1024
_MAX_DOCUMENT = 64 * 1024 * 1024  # bytes of a listing; more than any service sends
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request.

    Attributes:
        url: Without query; its path percent-encoded.
        query: By name, not encoded.
    """

    method: str
    url: str
    query: Mapping[str, str] = field(default_factory=lambda: _NONE)
    headers: Mapping[str, str] = field(default_factory=lambda: _NONE, repr=False)
    body: Body | bytes = b""

    @property
    def full_url(self) -> str:
        """The url with its query."""
        query = urlencode(self.query, quote_via=quote)
        return f"{self.url}?{query}" if query else self.url


class ServiceError(StorageError):
    """What a service refuses.

    Attributes:
        status: Of HTTP.
        code: The service's own; "" if it gives none.
    """

    status = 0
    code = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a service says what is wrong.

    Attributes:
        name: Of the service, for people.
        code_of: Returns the service's own code for an error; "" if it gives none.
        texts: What a code, or a status as a number, means, and its cure; ``{code}``
            stands for both.
        transient: Codes of what may pass, beside what the status says.
    """

    name: str
    code_of: Callable[[requests.Response], str]
    texts: Mapping[str, str]
    transient: frozenset[str] = frozenset()

    def error_of(self, response: requests.Response) -> StorageError:
        """Return the error that a response tells; the response is read to its end."""
        status = response.status_code
        code = self.code_of(response)
        response.close()
        if status == HTTPStatus.PRECONDITION_FAILED:
            return ChangedError()
        text = self.texts.get(code) or self.texts.get(str(status))
        shown = f"{code}, HTTP {status}" if code else f"HTTP {status}"
        throttled = status in (
            HTTPStatus.TOO_MANY_REQUESTS,
            HTTPStatus.SERVICE_UNAVAILABLE,
        )
        error = ServiceError(
            (text or f"{self.name} refuses ({{code}})").replace("{code}", shown),
            transient=code in self.transient or _may_pass(status),
            retry_after=retry_after_of(response),
            throttled=throttled,
        )
        error.status, error.code = status, code
        return error


def _may_pass(status: int) -> bool:
    if status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS):
        return True
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR and status not in (
        HTTPStatus.NOT_IMPLEMENTED,
        HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
        HTTPStatus.INSUFFICIENT_STORAGE,
    )


class BlockAdapter(requests.adapters.HTTPAdapter):
    """Sends in large blocks; the default of 16 KiB uses much CPU."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """See ``HTTPAdapter``."""
        super().init_poolmanager(*args, **kwargs, blocksize=_BLOCK)


class RestClient:
    """Sends requests; thread-safe, follows no redirect, and reads no ``~/.netrc``."""

    def __init__(
        self, timeouts: Timeouts, adapter: requests.adapters.HTTPAdapter
    ) -> None:
        """Connect by ``adapter``."""
        self.timeout = (
            timeouts.connect.total_seconds(),
            timeouts.stall.total_seconds(),
        )
        self.session = requests.Session()
        self.session.auth = lambda request: request
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, adapter)

    def send(self, request: Request) -> requests.Response:
        """Return the response, whatever its status; its body is not read.

        Raises:
            StorageError: There is none.
        """
        try:
            return self.session.request(
                request.method,
                request.full_url,
                data=request.body,
                headers={"Accept-Encoding": "identity", **request.headers},
                timeout=self.timeout,
                stream=True,
                allow_redirects=False,
            )
        except (requests.RequestException, OSError, ValueError) as error:
            raise explain(error) from error

    def close(self) -> None:
        """Close all connections."""
        self.session.close()


def read_document(response: requests.Response) -> bytes:
    """Return the body of a response, which is closed.

    Raises:
        StorageError: It is larger than any listing, or cannot be read.
    """
    data = bytearray()
    try:
        for chunk in response.iter_content(_BLOCK):
            data += chunk
            if len(data) > _MAX_DOCUMENT:
                raise StorageError("the service answers more than a listing can be")
    except (requests.RequestException, OSError, ValueError) as error:
        raise explain(error) from error
    finally:
        response.close()
    return bytes(data)


class Download:
    """A file that is downloaded; satisfies ``ports.Reader``."""

    executable = False
    descriptor = None

    def __init__(
        self, response: requests.Response, found: Stat, part: Part | None
    ) -> None:
        """Read the body of ``response``, which holds ``part`` of the file.

        Raises:
            StorageError: It holds the whole file although a part was wanted.
        """
        is_part = response.status_code == HTTPStatus.PARTIAL_CONTENT
        if part and part.start and not is_part:
            raise StorageError("the service does not send parts of files")
        self._stream = response.raw
        self._left = part.stop - part.start if part else None
        self.size = found.size
        self.etag = found.etag
        self.checksums = found.checksums
        self.has_parts = bool(found.etag)

    def read(self, size: int) -> bytes:
        """See ``Reader``."""
        wanted = size if self._left is None else min(size, self._left)
        if not wanted:
            return b""
        try:
            data: bytes = self._stream.read(wanted)
        except Exception as error:  # requests lets urllib3's errors pass here
            raise explain(error) from error
        if self._left is not None:
            self._left -= len(data)
        return data


def range_header(part: Part | None) -> dict[str, str]:
    """Return the header that asks for ``part``; none for the whole file."""
    return {"Range": f"bytes={part.start}-{part.stop - 1}"} if part else {}
