"""Sends one event to one receiver, and says what its response means."""

import http.client
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from tesk_model.locations import InvalidLocationError, parse_location
from tesk_runtime.egress.connecting import EgressRefusedError
from tesk_runtime.egress.proxies import ProxySettingError
from tesk_scheduler.adapters.webhooks.connecting import ProxyError
from tesk_scheduler.adapters.webhooks.posting import Head, Poster
from tesk_scheduler.adapters.webhooks.signing import (
    SecretError,
    SecretFiles,
    signed_headers,
)
from tesk_scheduler.domain.webhooks.deliveries import (
    Delivery,
    Response,
    SendResult,
)
from tesk_scheduler.domain.webhooks.events import CONTENT_TYPE
from tesk_scheduler.domain.webhooks.targets import Target
from tesk_scheduler.ports.environment import Clock

_GONE = 410
# Of this event, not of the receiver; RFC 9110 15.5, RFC 4918 11.
_ABOUT_THE_EVENT = frozenset({400, 406, 409, 411, 412, 413, 414, 415, 417, 422, 431})
_PROXY_LOGIN_REQUIRED = 407
_SECONDS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSender:
    """See ``Sender``."""

    poster: Poster
    secrets: SecretFiles
    clock: Clock
    timeout: timedelta
    agent: str

    def send(self, delivery: Delivery, target: Target) -> SendResult:
        """Post it."""
        try:
            keys = [self.secrets.read(name) for name in target.secrets]
        except SecretError as error:
            return _unavailable(str(error))
        headers = {
            "content-type": f"{CONTENT_TYPE}; charset=utf-8",
            "user-agent": self.agent,
            "connection": "close",
            **signed_headers(delivery.event_id, delivery.body, keys, self.clock.now()),
        }
        try:
            head = self.poster.post(
                parse_location(target.url_of(delivery.recipient)),
                delivery.body,
                headers,
                timeout=self.timeout.total_seconds(),
            )
        except (EgressRefusedError, InvalidLocationError) as error:
            return SendResult(response=Response.FORBIDDEN, detail=str(error))
        except ProxySettingError as error:
            return _unavailable(str(error))
        except (OSError, http.client.HTTPException, ValueError) as error:
            return _unavailable(self._explain(error))
        return _result_of(head)

    def _explain(self, error: Exception) -> str:
        """Return what went wrong, without the url: it may hold a secret."""
        if isinstance(error, ProxyError):
            cause = error.__cause__
            if not isinstance(cause, Exception):
                return str(error)
            return f"the proxy (HTTP_PROXY, HTTPS_PROXY): {self._explain(cause)}"
        for kind, explain in _CAUSES:
            if isinstance(error, kind):
                return explain(error)
        if isinstance(error, TimeoutError):
            return f"did not answer within {self.timeout.total_seconds():g} s"
        if isinstance(error, OSError):
            return f"cannot be reached: {error.strerror or type(error).__name__}"
        return "does not speak HTTP"


_CAUSES: tuple[tuple[type[Exception], Callable[..., str]], ...] = (
    (
        ssl.SSLCertVerificationError,
        lambda error: f"its certificate is not trusted: {error.verify_message}",
    ),
    (ssl.SSLError, lambda error: f"TLS with it fails: {error.reason}"),
    (socket.gaierror, lambda _: "its name cannot be resolved"),
    (ConnectionRefusedError, lambda _: "refuses connections"),
    (
        http.client.RemoteDisconnected,
        lambda _: "closed the connection without an answer",
    ),
    (ConnectionError, lambda _: "broke the connection"),
)


def _result_of(head: Head) -> SendResult:
    status = head.status
    if 200 <= status < 300:  # noqa: PLR2004 - any success
        return SendResult(response=Response.ACCEPTED)
    if status == _GONE:
        return SendResult(response=Response.GONE, detail="answered 410, Gone")
    detail = f"answered {status}"
    if 300 <= status < 400:  # noqa: PLR2004 - any redirect
        detail += "; redirects are not followed, give the url that it leads to"
    if status == _PROXY_LOGIN_REQUIRED:
        detail += "; the proxy (HTTP_PROXY) wants user and password"
    if status in _ABOUT_THE_EVENT:
        return SendResult(response=Response.REJECTED, detail=detail)
    pause = None
    if _SECONDS.fullmatch(head.retry_after):
        pause = timedelta(seconds=int(head.retry_after))
    return SendResult(response=Response.UNAVAILABLE, detail=detail, retry_after=pause)


def _unavailable(detail: str) -> SendResult:
    return SendResult(response=Response.UNAVAILABLE, detail=detail)
