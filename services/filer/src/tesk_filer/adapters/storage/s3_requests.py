"""Sends requests to S3: where to, by which keys, and why not.

One request of the caller is one of HTTP. It is sent again, once each, when the bucket
turns out to be in another region, and when its keys were refused and there are newer.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from types import MappingProxyType

from tesk_filer.adapters.storage.documents import read_document
from tesk_filer.adapters.storage.http_bodies import BytesBody
from tesk_filer.adapters.storage.http_exchange import Body, Response
from tesk_filer.adapters.storage.http_pool import Exchange, HttpPool, HttpRequest
from tesk_filer.adapters.storage.s3_endpoints import Endpoint, locate_bucket
from tesk_filer.adapters.storage.s3_environment import AwsEnvironment
from tesk_filer.adapters.storage.s3_errors import (
    S3RefusedError,
    TranslatedErrors,
    explain_refusal,
)
from tesk_filer.adapters.storage.s3_messages import parse_error
from tesk_filer.adapters.storage.s3_signature import (
    Signer,
    Unsigned,
    encode_key,
    encode_query,
)
from tesk_filer.domain.credentials import S3Account, S3Keys
from tesk_filer.ports import Credentials, StorageError
from tesk_model.locations import Location

_NONE: Mapping[str, str] = MappingProxyType({})
_MAX_ANSWER = 16 * 1024 * 1024  # bytes of what is not an object: a page of keys
_MAX_TRIES = 3
_ELSEWHERE = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.BAD_REQUEST,
    }
)


_NOTHING = BytesBody()


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Request:
    """A request of S3.

    Attributes:
        location: The bucket, and which credentials are for it.
        key: "" for the bucket itself.
        headers: Names in lower case.
        sha256: Of the body, in hex.
    """

    method: str
    location: Location
    key: str = ""
    query: Mapping[str, str] = field(default_factory=lambda: _NONE)
    headers: Mapping[str, str] = field(default_factory=lambda: _NONE)
    body: Body = _NOTHING
    sha256: str = hashlib.sha256().hexdigest()


@dataclass(frozen=True, slots=True)
class _Access:
    """How a request is let in.

    Attributes:
        keys: None: it is not signed.
        is_ambient: They come from the environment.
    """

    endpoint: Endpoint
    region: str
    keys: S3Keys | None
    is_ambient: bool


@dataclass(slots=True, kw_only=True)
class S3Requests:
    """Sends requests; thread-safe.

    Attributes:
        now: Returns the time, aware, in UTC.
    """

    pool: HttpPool
    credentials: Credentials
    environment: AwsEnvironment
    now: Callable[[], datetime]
    _signer: Signer = field(default_factory=Signer)
    _regions: dict[tuple[str, str], str] = field(default_factory=dict)

    def send(self, request: S3Request) -> Exchange:
        """Send a request; its response is a success. Close the exchange.

        Raises:
            StorageError: It failed.
        """
        with TranslatedErrors():
            return self._send(request)

    def call(self, request: S3Request) -> tuple[Mapping[str, str], bytes]:
        """Send a request; return headers and body of the response.

        Raises:
            StorageError: It failed.
        """
        with self.send(request) as response, TranslatedErrors():
            return response.headers, self._read(response)

    def _send(self, request: S3Request) -> Exchange:
        access = self._access(request.location)
        for _ in range(_MAX_TRIES):
            exchange = self._send_by(access, request)
            response = exchange.response
            if response.status // 100 == 2:  # noqa: PLR2004 - any success
                return exchange
            try:
                body = self._read(response)
            except (OSError, StorageError):
                body = b""  # the status says most of it
            finally:
                exchange.close()
            refusal = explain_refusal(response.status, response.headers, body)
            other = self._other_access(access, request, response, body, refusal)
            if other is None:
                break
            access = other
        raise refusal

    def _send_by(self, access: _Access, request: S3Request) -> Exchange:
        bucket = request.location.host
        place = locate_bucket(access.endpoint, bucket, access.region)
        path = f"{place.path}/{encode_key(request.key)}"
        query = encode_query(request.query) if request.query else ""
        headers: dict[str, str] = {"host": place.origin.authority, **request.headers}
        if access.keys is not None:
            unsigned = Unsigned(
                method=request.method,
                path=path,
                query=query,
                headers=headers,
                content=request.sha256,
            )
            headers = self._signer.sign(
                unsigned, access.keys, region=access.region, now=self.now()
            )
        return self.pool.send(
            HttpRequest(
                origin=place.origin,
                method=request.method,
                target=f"{path}?{query}" if query else path,
                headers=headers | {"accept-encoding": "identity"},
                body=request.body,
                asks_first=not access.endpoint.url,
            )
        )

    def _access(self, location: Location) -> _Access:
        found = self.credentials.find(location)
        account = found if isinstance(found, S3Account) else S3Account()
        endpoint = self._endpoint_of(account)
        known = self._regions.get((endpoint.url, location.host))
        region = known or account.region or self.environment.region()
        keys = self.environment.keys() if account.is_ambient else account.keys
        if account.anonymous:
            keys = None
        return _Access(endpoint, region, keys, account.is_ambient)

    def _endpoint_of(self, account: S3Account) -> Endpoint:
        by_host = account.virtual_hosts
        if account.endpoint:
            return Endpoint(url=account.endpoint, virtual_hosts=by_host)
        named = self.environment.endpoint()
        return named if by_host is None else replace(named, virtual_hosts=by_host)

    def _other_access(
        self,
        access: _Access,
        request: S3Request,
        response: Response,
        body: bytes,
        refusal: StorageError,
    ) -> _Access | None:
        """Return how a request that was refused is let in; None if there is no way."""
        location = request.location
        if response.status in _ELSEWHERE:
            region = response.headers.get("x-amz-bucket-region", "")
            region = region or parse_error(body).region
            if region and region != access.region:
                self._regions[access.endpoint.url, location.host] = region
                return self._access(location)
        if isinstance(refusal, S3RefusedError) and refusal.is_of_keys:
            if access.is_ambient and access.keys is not None:
                doubted = not refusal.tells_why
                self.environment.others(access.keys, doubted=doubted)
            newer = self._access(location)
            return newer if newer.keys != access.keys else None
        return None

    def _read(self, response: Response) -> bytes:
        stall = self.pool.timeouts.stall.total_seconds()
        return read_document(response.read, limit=_MAX_ANSWER, stall=stall)
