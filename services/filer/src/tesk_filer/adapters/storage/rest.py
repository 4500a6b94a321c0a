"""Requests of services with a REST interface, over one pool of connections.

What a service calls its errors is a ``Dialect``; when a request may be repeated is one
rule for all of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import quote, urlencode, urlsplit

from tesk_filer.adapters.storage.http_bodies import BytesBody
from tesk_filer.adapters.storage.http_errors import may_pass, retry_after_of
from tesk_filer.adapters.storage.http_exchange import Body
from tesk_filer.adapters.storage.http_parts import whole_file
from tesk_filer.adapters.storage.http_pool import HttpPool, HttpRequest, Origin
from tesk_filer.adapters.storage.http_response import HttpResponse
from tesk_filer.adapters.storage.network import explain_connection
from tesk_filer.adapters.storage.objects import RefusedError
from tesk_filer.ports import ChangedError, Part, Stat, StorageError

_NONE: Mapping[str, str] = MappingProxyType({})
_NOTHING = BytesBody()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request.

    Attributes:
        query: By name, not encoded; added to that of ``url``.
        is_repeatable: It may arrive twice.
    """

    method: str
    url: str = field(repr=False)
    query: Mapping[str, str] = field(default_factory=lambda: _NONE, repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: _NONE, repr=False)
    body: Body = field(default=_NOTHING, repr=False)
    is_repeatable: bool = True

    @property
    def full_url(self) -> str:
        """The url with its query."""
        query = urlencode(self.query, quote_via=quote)
        return f"{self.url}?{query}" if query else self.url


class ServiceError(RefusedError):
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
        of_bucket: Codes of a bucket that does not exist.
    """

    name: str
    code_of: Callable[[HttpResponse], str]
    texts: Mapping[str, str]
    transient: frozenset[str] = frozenset()
    of_bucket: frozenset[str] = frozenset()

    def error_of(self, response: HttpResponse) -> StorageError:
        """Return the error that a response tells; the response is read to its end."""
        status = response.status
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
            transient=code in self.transient or may_pass(status),
            retry_after=retry_after_of(response),
            throttled=throttled,
        )
        error.status, error.code = status, code
        is_of_bucket = code in self.of_bucket
        error.is_absent = status == HTTPStatus.NOT_FOUND and not is_of_bucket
        return error


class RestClient:
    """Sends requests; thread-safe. Follows no redirect."""

    def __init__(self, pool: HttpPool) -> None:
        """Send by ``pool``."""
        self._pool = pool

    @property
    def timeout(self) -> tuple[float, float]:
        """Seconds to connect, and between two bytes."""
        timeouts = self._pool.timeouts
        return timeouts.connect.total_seconds(), timeouts.stall.total_seconds()

    def send(self, request: Request) -> HttpResponse:
        """Return the response, whatever its status; its body is not read.

        Raises:
            StorageError: There is none.
        """
        try:
            parts = urlsplit(request.full_url)
            origin = Origin(parts.scheme, parts.hostname or "", parts.port)
        except ValueError as error:
            raise StorageError("is not a valid url") from error
        headers = {name.lower(): text for name, text in request.headers.items()}
        query = f"?{parts.query}" if parts.query else ""
        try:
            exchange = self._pool.send(
                HttpRequest(
                    origin=origin,
                    method=request.method,
                    target=f"{parts.path or '/'}{query}",
                    headers={"accept-encoding": "identity", **headers},
                    body=request.body,
                    is_repeatable=request.is_repeatable,
                )
            )
        except OSError as error:
            raise explain_connection(error) from error
        return HttpResponse(exchange, stall=self.timeout[1])

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


class Download:
    """A file that is downloaded; satisfies ``ports.Reader``."""

    executable = False
    descriptor = None

    def __init__(self, response: HttpResponse, found: Stat) -> None:
        """Read the body of ``response``; ``found`` is the whole file."""
        self._response = response
        self.size = found.size
        self.etag = found.etag
        self.checksums = found.checksums
        self.has_parts = bool(found.etag)

    def read(self, size: int) -> bytes:
        """See ``Reader``."""
        return self._response.read(size)


def opened(
    response: HttpResponse, part: Part | None, known: Stat | None, told: Stat
) -> Download:
    """Return the reader of a response to GET; see ``whole_file``."""
    return Download(response, whole_file(response, part, known, told))
