"""Identifies the caller of a request."""

from collections.abc import Callable
from dataclasses import replace

from flask import request

from tesk_api.domain.requests import Caller
from tesk_api.http.client_address import client_address
from tesk_api.http.middleware import USER
from tesk_api.http.request_ids import request_id
from tesk_api.ports import Authenticator

Identify = Callable[[], Caller]


def caller_identifier(
    authenticator: Authenticator, *, trusted_proxies: int
) -> Identify:
    """Return the function that identifies the caller of the current request.

    It raises UnauthenticatedError if credentials are needed.
    """

    def identify() -> Caller:
        caller = authenticator.authenticate(
            request.headers.get("Authorization"),
            client_address(request.environ, trusted_proxies),
        )
        request.environ[USER] = caller.user
        return replace(caller, request_id=request_id(request.environ))

    return identify
