"""Sends requests of HTTP, follows redirects, and decides who gets which credentials.

urllib3 is used directly: requests takes three times its CPU for a small file (ADR 34).
Redirects are followed here, since each hop has credentials of its own, and passes the
guard of urls.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import urllib3

from tesk_filer.adapters.storage.documents import read_document
from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.adapters.storage.http_connections import HttpConnections
from tesk_filer.adapters.storage.http_cookies import Cookies
from tesk_filer.adapters.storage.http_errors import explain
from tesk_filer.adapters.storage.http_redirects import keeps_login, redirect_of
from tesk_filer.adapters.storage.storage_config import StorageConfig, Timeouts
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

_OWN_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "tesk-filer"}
_MAX_HOPS = 20
_MAX_DRAINED = 64 * 1024  # bytes of a body that is not wanted
_DRAIN_STALL = 1.0  # seconds; waiting longer is not worth a connection


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where a request is sent, and what it may use there."""

    location: Location
    credential: Credential | None = field(repr=False)


class HttpClient:
    """Sends requests; thread-safe."""

    def __init__(
        self,
        *,
        timeouts: Timeouts,
        connections: int,
        egress: Egress,
        credentials: Credentials,
        authorities: str = "",
    ) -> None:
        """Keep up to ``connections`` open to each host.

        ``authorities``: see ``HttpOptions``.
        """
        self._stall = timeouts.stall.total_seconds()
        self._timeout = urllib3.Timeout(
            connect=timeouts.connect.total_seconds(), read=self._stall
        )
        self._egress = egress
        self._credentials = credentials
        self._cookies = Cookies()
        self._connections = HttpConnections(
            egress,
            connections=connections,
            authorities=authorities,
            stall=self._stall,
        )

    def follow(
        self,
        method: str,
        location: Location,
        *,
        headers: Headers = NO_HEADERS,
        given: Headers = NO_HEADERS,
        body: Callable[[], Any] | None = None,
    ) -> tuple[urllib3.BaseHTTPResponse, Recipient]:
        """Send a request and follow redirects; return the last response and request.

        Args:
            method: Of the request.
            location: Where it goes first.
            headers: Sent to every server.
            given: Sent to the server of ``location`` alone.
            body: Returns the body anew for each request.

        Raises:
            StorageError: There is no response, or it redirects to what may not be used.
        """
        recipient = Recipient(location, self._credential_for(location))
        for _ in range(_MAX_HOPS):
            response = self.send(
                method, recipient, {**headers, **given}, body() if body else None
            )
            try:
                target = redirect_of(
                    method,
                    recipient.location,
                    response.status,
                    response.headers.get("Location", ""),
                )
            except StorageError:
                finish(response)
                raise
            if target is None:
                return response, recipient
            finish(response)
            self._egress.check(target)
            # Some archives redirect to a login host.
            credential = self._credential_for(target)
            keeps = keeps_login(recipient.location, target)
            if credential is None and keeps:
                credential = recipient.credential
            if not keeps:
                given = NO_HEADERS
            recipient = Recipient(target, credential)
        raise StorageError("redirects without end")

    def send(
        self,
        method: str,
        recipient: Recipient,
        headers: Headers = NO_HEADERS,
        body: Any = None,
    ) -> urllib3.BaseHTTPResponse:
        """Send one request; the response's body is to be read, and then finished."""
        location = recipient.location
        sent = {**_OWN_HEADERS, **headers}
        if authorization := authorization_of(recipient.credential):
            sent.setdefault("Authorization", authorization)
        if cookie := self._cookies.header_for(location):
            sent["Cookie"] = cookie
        try:
            response = self._connections.manager_of(location).urlopen(
                method,
                location.url.partition("#")[0],
                headers=sent,
                body=body,
                timeout=self._timeout,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise explain(error) from error
        self._cookies.store(location, response)
        return response

    def read(self, response: urllib3.BaseHTTPResponse, *, limit: int) -> bytes:
        """Return the whole body of a small document.

        Raises:
            StorageError: It is longer than ``limit`` bytes, or takes too long.
        """
        try:
            return read_document(response.read1, limit=limit, stall=self._stall)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise explain(error) from error

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()

    def _credential_for(self, location: Location) -> Credential | None:
        found = with_login_of(location, self._credentials.find(location))
        return found if isinstance(found, Login | BearerToken) else None


def open_client(config: StorageConfig) -> HttpClient:
    """Return the client for the settings of storages."""
    return HttpClient(
        timeouts=config.timeouts,
        connections=config.connections,
        egress=config.egress,
        credentials=config.credentials,
        authorities=config.http.authorities,
    )


def finish(response: urllib3.BaseHTTPResponse) -> None:
    """Give the connection of a response back; a long rest of the body is not read."""
    try:
        left = response.length_remaining  # 0 after HEAD, whatever is announced
        if left is not None and left <= _MAX_DRAINED:
            read_document(response.read1, limit=_MAX_DRAINED, stall=_DRAIN_STALL)
        else:
            response.close()
    except (urllib3.exceptions.HTTPError, OSError, StorageError):
        response.close()
    finally:
        response.release_conn()


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
