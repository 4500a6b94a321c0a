"""Sends requests of HTTP, follows redirects, and decides who gets which credentials.

Redirects are followed here, since each hop has credentials of its own, and passes the
guard of urls.
"""

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import quote

from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.adapters.storage.http_bodies import BytesBody
from tesk_filer.adapters.storage.http_cookies import Cookies
from tesk_filer.adapters.storage.http_exchange import Body
from tesk_filer.adapters.storage.http_pool import HttpPool, HttpRequest, Origin
from tesk_filer.adapters.storage.http_redirects import keeps_login, redirect_of
from tesk_filer.adapters.storage.http_response import HttpResponse
from tesk_filer.adapters.storage.network import explain_connection
from tesk_filer.adapters.storage.storage_config import StorageConfig
from tesk_filer.domain.cache_keys import is_signed
from tesk_filer.domain.credentials import (
    BearerToken,
    Credential,
    Login,
    with_login_of,
)
from tesk_filer.ports import Credentials, StorageError
from tesk_model.locations import Location

Headers = Mapping[str, str]
NO_HEADERS: Headers = MappingProxyType({})

NO_BODY = BytesBody()

_OWN_HEADERS = {"accept-encoding": "identity", "user-agent": "tesk-filer"}
_MAX_HOPS = 20
_LONE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_AS_WRITTEN = "%!$&'()*+,;=:@/?"


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where a request is sent, and what it may use there.

    Attributes:
        given: Headers that are for this server alone.
        is_private: A credential other than that of the first server was sent on the way
            to the response, or a cookie that one brought.
        is_signed: The url that was asked for may say who asks, and this is it.
    """

    location: Location
    credential: Credential | None = field(repr=False)
    given: Headers = field(default_factory=lambda: NO_HEADERS, repr=False)
    is_private: bool = False
    is_signed: bool = False

    @property
    def knows_who(self) -> bool:
        """Whether the server may know who asks, so that its cookies may."""
        return self.is_private or self.is_signed or self.credential is not None


class HttpClient:
    """Sends requests; thread-safe."""

    def __init__(
        self, pool: HttpPool, *, egress: Egress, credentials: Credentials
    ) -> None:
        """Send by ``pool``, which connects as ``egress`` allows."""
        self._pool = pool
        self._stall = pool.timeouts.stall.total_seconds()
        self._egress = egress
        self._credentials = credentials
        self._cookies = Cookies()

    def follow(
        self,
        method: str,
        location: Location,
        *,
        headers: Headers = NO_HEADERS,
        given: Headers = NO_HEADERS,
        body: Body = NO_BODY,
    ) -> tuple[HttpResponse, Recipient]:
        """Send a request and follow redirects; return the last response and request.

        Args:
            method: Of the request.
            location: Where it goes first.
            headers: Sent to every server.
            given: Sent to the server of ``location`` alone.
            body: Sent anew with each request.

        Raises:
            StorageError: There is no response, or it redirects to what may not be used.
        """
        own = self._credential_for(location)
        is_private = self._cookies.are_private(location)
        recipient = Recipient(
            location, own, given, is_private, is_signed=is_signed(location)
        )
        for _ in range(_MAX_HOPS):
            response = self.send(method, recipient, headers, body)
            try:
                target = redirect_of(
                    method,
                    recipient.location,
                    response.status,
                    response.headers.get("Location", ""),
                )
            except StorageError:
                response.finish()
                raise
            if target is None:
                return response, recipient
            response.finish()
            self._egress.check(target)
            # Some archives redirect to a login host.
            credential = self._credential_for(target)
            keeps = keeps_login(recipient.location, target)
            if credential is None and keeps:
                credential = recipient.credential
            given = recipient.given if keeps else NO_HEADERS
            is_private = (
                recipient.is_private
                or credential not in (None, own)
                or self._cookies.are_private(target)
            )
            recipient = Recipient(target, credential, given, is_private)
        raise StorageError("redirects without end")

    def send(
        self,
        method: str,
        recipient: Recipient,
        headers: Headers = NO_HEADERS,
        body: Body = NO_BODY,
    ) -> HttpResponse:
        """Send one request and return its response; finish or close it.

        Raises:
            StorageError: There is no response.
        """
        location = recipient.location
        wanted = {**headers, **recipient.given}
        sent = {name.lower(): text for name, text in wanted.items()}
        if authorization := authorization_of(recipient.credential):
            sent.setdefault("authorization", authorization)
        if cookie := self._cookies.header_for(location):
            sent["cookie"] = cookie
        request = HttpRequest(
            origin=Origin(location.scheme, location.host, location.port),
            method=method,
            target=target_of(location),
            headers={**_OWN_HEADERS, **sent},
            body=body,
        )
        try:
            exchange = self._pool.send(request)
        except OSError as error:
            raise explain_connection(error) from error
        response = HttpResponse(exchange, stall=self._stall)
        self._cookies.store(location, response.cookies, are_private=recipient.knows_who)
        return response

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def _credential_for(self, location: Location) -> Credential | None:
        found = with_login_of(location, self._credentials.find(location))
        return found if isinstance(found, Login | BearerToken) else None


def open_client(config: StorageConfig) -> HttpClient:
    """Return the client for the settings of storages."""
    pool = HttpPool(
        timeouts=config.timeouts,
        size=config.idle_connections,
        environ=config.environ,
        authorities=config.http.authorities,
        egress=config.egress,
    )
    return HttpClient(pool, egress=config.egress, credentials=config.credentials)


def target_of(location: Location) -> str:
    """Return path and query as a request names them: as written, but encoded.

    Segments ``.`` and ``..`` are gone, as lists and credentials see the url.

    Source:
        RFC 3986, 2.1 and 5.2.4.
    """
    path = location.written
    if "/." in path:
        path = _without_dots(path)
    written = _LONE_PERCENT.sub("%25", f"{path}{location.query}".partition("#")[0])
    return quote(os.fsencode(written), safe=_AS_WRITTEN)


def _without_dots(path: str) -> str:
    kept: list[str] = []
    *segments, last = path.split("/")[1:]
    for segment in (*segments, "" if last in (".", "..") else last):
        if segment == ".." and kept:
            kept.pop()
        elif segment not in (".", ".."):
            kept.append(segment)
    if last == ".." and len(kept) > 1:
        del kept[-2]
    return "/" + "/".join(kept)


def authorization_of(credential: Credential | None) -> str:
    """Return the value of ``Authorization``; "" if there is none.

    Source:
        RFC 7617, 2.1 "The 'charset' auth-param"; RFC 6750, 2.1.
    """
    if isinstance(credential, BearerToken):
        return f"Bearer {credential.token}"
    if not isinstance(credential, Login):
        return ""
    pair = f"{credential.user}:{credential.password}"
    try:
        written = pair.encode("latin-1")
    except UnicodeEncodeError:
        written = pair.encode()
    return f"Basic {base64.b64encode(written).decode()}"
