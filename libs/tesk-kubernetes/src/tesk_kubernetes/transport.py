"""HTTP calls through the official client: configuration, auth, retries.

It calls the client's request function, below the generated classes: these would decode
each response into models.
"""

import random
import socket
import ssl
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TypeVar

import msgspec
import tenacity
import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException

from tesk_kubernetes.api import (
    ApiUnavailableError,
    JsonObject,
    KubernetesError,
    RefusedError,
)
from tesk_kubernetes.refusals import error_of
from tesk_model.backoff import Backoff

T = TypeVar("T")

# 20 attempts at once, their logs, and the watches of each namespace.
_CONNECTIONS = 64
_CONNECT_SECONDS = 5.0
_READ_SECONDS = 30.0
_UNAUTHORIZED = 401
_BACKOFF = Backoff(first=timedelta(seconds=0.2), longest=timedelta(seconds=3.2))
# A log may be silent for a week; a dead connection is detected in a minute.
_KEEP_ALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}

# Failures of the connection, as opposed to error responses.
_CONNECTION_ERRORS = (
    urllib3.exceptions.HTTPError,
    OSError,
    ConfigException,  # the token file is being replaced
    msgspec.MsgspecError,  # the response is not the API server's
)

NO_TIMEOUT = None
"""Read timeout of a stream that may be silent."""


def socket_options() -> list[tuple[int, int, int]]:
    """Return options that detect dead connections, where they exist."""
    options = [
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    ]
    for name, value in _KEEP_ALIVE.items():
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


class Transport:
    """Sends requests and retries them for a limited time."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        renew: Callable[[Configuration], None],
        retry_for: timedelta,
    ) -> None:
        """Make the pool of connections; nothing is sent.

        Args:
            configuration: Address and credentials of the API server.
            renew: Reads the credentials again, after a 401.
            retry_for: How long a call is retried.
        """
        configuration.connection_pool_maxsize = _CONNECTIONS
        configuration.socket_options = socket_options()
        configuration.retries = False  # retried here
        self._configuration = configuration
        self._client = ApiClient(configuration)
        self._renew = renew
        self._retry_for = retry_for

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: JsonObject | None = None,
    ) -> JsonObject:
        """Return the object in the response of the API server.

        Raises:
            KubernetesError: See ``refusals``.
        """

        def once() -> JsonObject:
            response = self._send(method, path, query, body, _READ_SECONDS)
            return msgspec.json.decode(response.data, type=JsonObject)

        return self._retried(once)

    def open(
        self, path: str, *, query: Mapping[str, str], silence: float | None
    ) -> urllib3.BaseHTTPResponse:
        """Return a response whose body is read by the caller.

        Args:
            path: Of the resource.
            query: Its parameters.
            silence: Seconds without a byte after which it fails; see ``NO_TIMEOUT``.
        """
        return self._retried(lambda: self._send("GET", path, query, None, silence))

    def _retried(self, act: Callable[[], T]) -> T:
        renewed = False

        def guarded() -> T:
            nonlocal renewed
            try:
                return act()
            except _UnauthorizedError as error:
                if renewed:
                    raise RefusedError(str(error)) from None
                renewed = True
                self._renew_credentials(error)
                raise
            except _CONNECTION_ERRORS as error:
                raise ApiUnavailableError(self._describe(error)) from error

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(ApiUnavailableError),
            stop=tenacity.stop_before_delay(self._retry_for),
            wait=_wait,
            reraise=True,
        )
        return retrying(guarded)

    def _renew_credentials(self, refusal: KubernetesError) -> None:
        try:
            self._renew(self._configuration)
        except (OSError, ConfigException) as error:
            raise RefusedError(str(refusal)) from error

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: JsonObject | None,
        silence: float | None,
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": "application/json", "User-Agent": "tesk"}
        self._client.update_params_for_auth(headers, [], ["BearerToken"])
        try:
            response: urllib3.BaseHTTPResponse = self._client.rest_client.request(
                method,
                self._configuration.host + path,
                query_params=dict(query or {}),
                headers=headers,
                body=body,
                _preload_content=False,
                _request_timeout=(_CONNECT_SECONDS, silence),
            )
        except ApiException as error:
            raise _error_of(error) from None  # it prints headers and body
        return response

    def _describe(self, error: Exception) -> str:
        failure = "cannot be reached"
        if isinstance(error, urllib3.exceptions.ReadTimeoutError):
            failure = f"did not answer within {_READ_SECONDS:.0f} s"
        elif isinstance(error, urllib3.exceptions.ProtocolError):
            failure = "closed the connection"
        return f"the API server {self._configuration.host} {failure}"


class _UnauthorizedError(ApiUnavailableError):
    """A 401: the token may have been rotated meanwhile."""


def _error_of(error: ApiException) -> KubernetesError:
    if not error.status:  # the client's sign of a TLS failure
        reason = str(error.reason).splitlines()[-1]
        wrong = ssl.SSLCertVerificationError.__name__
        if "CERTIFICATE_VERIFY_FAILED" in reason or wrong in reason:
            return RefusedError(
                f"the API server's certificate is not trusted: {reason}"
            )
        return ApiUnavailableError("the API server closed the connection")
    found = error_of(error.status, error.body or b"", error.headers)
    return _UnauthorizedError(str(found)) if error.status == _UNAUTHORIZED else found


def _wait(state: tenacity.RetryCallState) -> float:
    """Return the seconds before another try, at least what the server asks for."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, _UnauthorizedError):
        return 0.0
    asked = getattr(error, "retry_after", None) or timedelta(0)
    # Many clients retry at once: each adds jitter.
    own = _BACKOFF.pause(state.attempt_number).total_seconds()
    return asked.total_seconds() + own * random.uniform(1, 2)  # noqa: S311 - jitter
