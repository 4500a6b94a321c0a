"""HTTP calls to the API server: JSON both ways, authentication, retries."""

import random
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urlencode

import msgspec
import tenacity
import urllib3

from tesk_kubernetes.api import (
    ApiUnavailableError,
    JsonObject,
    KubernetesError,
    RefusedError,
)
from tesk_kubernetes.connection import Connection, CredentialsError
from tesk_kubernetes.refusals import error_of
from tesk_model.backoff import Backoff

T = TypeVar("T")

_CONNECT_SECONDS = 5.0
_BACKOFF = Backoff(first=timedelta(seconds=0.2), longest=timedelta(seconds=3.2))
# An API server that is asked for more than it can do answers nobody: what it works on
# is given up by who asked, and asked for again.
_MOST_CALLS = 4
_TURN_TIMEOUT = timedelta(seconds=5)

# Failures of the connection, as opposed to error responses.
_CONNECTION_ERRORS = (
    urllib3.exceptions.HTTPError,
    OSError,
    CredentialsError,  # the token file is being replaced
    msgspec.MsgspecError,  # the response is not the API server's
)

READ_SECONDS = 30.0
"""Read timeout of a response that comes at once."""
NO_TIMEOUT = None
"""Read timeout of a stream that may be silent."""


class Transport:
    """Sends requests, a few at a time, and retries them for a limited time."""

    def __init__(
        self,
        connection: Connection,
        *,
        retry_for: timedelta,
        most_calls: int = _MOST_CALLS,
        turn_timeout: timedelta = _TURN_TIMEOUT,
    ) -> None:
        """Send over ``connection``; nothing is sent yet.

        Args:
            connection: To the API server.
            retry_for: How long a call is retried.
            most_calls: How many are under way at once; responses that are read by the
                caller do not count.
            turn_timeout: How long a call waits for its turn.
        """
        self._connection = connection
        self._retry_for = retry_for
        self._turns = threading.BoundedSemaphore(most_calls)
        self._turn_timeout = turn_timeout

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
            with self._turn():
                response = self._send(method, path, query, body, READ_SECONDS)
                data = response.data
            return msgspec.json.decode(data, type=JsonObject)

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

    @contextmanager
    def _turn(self) -> Iterator[None]:
        seconds = self._turn_timeout.total_seconds()
        if not self._turns.acquire(timeout=seconds):
            raise ApiUnavailableError(
                f"the API server {self._connection.host} is slow: "
                f"calls before this one have taken {seconds:.0f} s"
            )
        try:
            yield
        finally:
            self._turns.release()

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
            self._connection.renew()
        except (OSError, CredentialsError) as error:
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
        if authorization := self._connection.authorization():
            headers["Authorization"] = authorization
        if body is not None:
            headers["Content-Type"] = "application/json"
        parameters = f"?{urlencode(query)}" if query else ""
        try:
            response = self._connection.pool.request(
                method,
                f"{self._connection.host}{path}{parameters}",
                body=None if body is None else msgspec.json.encode(body),
                headers=headers,
                preload_content=False,
                timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=silence),
            )
        except urllib3.exceptions.SSLError as error:
            raise _tls_error(error) from error
        if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            raise _error_of(response)
        return response

    def _describe(self, error: Exception) -> str:
        failure = "cannot be reached"
        if isinstance(error, urllib3.exceptions.ReadTimeoutError):
            failure = f"did not answer within {READ_SECONDS:.0f} s"
        elif isinstance(error, urllib3.exceptions.ProtocolError):
            failure = "closed the connection"
        return f"the API server {self._connection.host} {failure}"


class _UnauthorizedError(ApiUnavailableError):
    """A 401: the token may have been rotated meanwhile."""


def _tls_error(error: urllib3.exceptions.SSLError) -> KubernetesError:
    reason = str(error)
    wrong = ssl.SSLCertVerificationError.__name__
    if "CERTIFICATE_VERIFY_FAILED" in reason or wrong in reason:
        return RefusedError(f"the API server's certificate is not trusted: {reason}")
    return ApiUnavailableError("the API server closed the connection")


def _error_of(response: urllib3.BaseHTTPResponse) -> KubernetesError:
    found = error_of(response.status, response.data or b"", response.headers)
    is_unauthorized = response.status == HTTPStatus.UNAUTHORIZED
    return _UnauthorizedError(str(found)) if is_unauthorized else found


def _wait(state: tenacity.RetryCallState) -> float:
    """Return the seconds before another try, at least what the server asks for."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, _UnauthorizedError):
        return 0.0
    asked = getattr(error, "retry_after", None) or timedelta(0)
    # Many clients retry at once: each adds jitter.
    own = _BACKOFF.pause(state.attempt_number).total_seconds()
    return asked.total_seconds() + own * random.uniform(1, 2)  # noqa: S311 - jitter
