"""Turns an HTTP response that is not a success into an error of ours."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any

import httpx

from tesk_model.errors import (
    ConflictError,
    InternalError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
    TeskError,
    UnauthenticatedError,
    UnavailableError,
    Violation,
)

_PLAIN: dict[int, type[TeskError]] = {
    HTTPStatus.UNAUTHORIZED: UnauthenticatedError,
    HTTPStatus.FORBIDDEN: PermissionDeniedError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
    HTTPStatus.INTERNAL_SERVER_ERROR: InternalError,
}
_UNAVAILABLE = {
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}


def error_from_response(response: httpx.Response) -> TeskError:
    """Return the error that a response of status 300 or more stands for.

    TESK and most other servers put a ``message`` (or the ``detail`` of RFC
    9457) into the body; without these the message is made of the status.
    """
    body = _body(response)
    message = str(
        body.get("message") or body.get("detail") or body.get("title") or ""
    ) or _short(response)
    status = response.status_code
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return ResourceExhaustedError(message, _retry_after(response))
    if status in _UNAVAILABLE:
        return UnavailableError(message, _retry_after(response))
    if status in _PLAIN:
        return _PLAIN[HTTPStatus(status)](message)
    if status < HTTPStatus.BAD_REQUEST or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return UnavailableError(f"the server answered {status}: {message}")
    return InvalidRequestError(_violations(body) or [Violation("", message)])


def _body(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _short(response: httpx.Response) -> str:
    phrase = f"{response.status_code} {response.reason_phrase}".strip()
    text = " ".join(response.text.split())[:200]
    plain = text and "<" not in text[:1]
    return f"{phrase}: {text}" if plain else phrase


def _violations(body: dict[str, Any]) -> list[Violation]:
    entries = body.get("errors") or body.get("violations") or []
    if not isinstance(entries, list):
        return []
    return [
        Violation(
            str(entry.get("path") or entry.get("field") or ""),
            str(entry.get("message") or entry.get("detail") or ""),
        )
        for entry in entries
        if isinstance(entry, dict)
    ]


def _retry_after(response: httpx.Response) -> timedelta | None:
    seconds = response.headers.get("Retry-After", "")
    return timedelta(seconds=int(seconds)) if seconds.isdecimal() else None
