"""What HTTP servers answer and requests raises, in words that name the cure."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import requests

from tesk_filer.adapters.storage.network import explain_connection
from tesk_filer.ports import StorageError

_TRANSIENT = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.LOCKED,
    }
)
_CURES = {
    HTTPStatus.UNAUTHORIZED: "; give user and password in the url",
    HTTPStatus.FORBIDDEN: "; check that the url may be used from here",
    HTTPStatus.CONFLICT: "; the folder above it may not exist",
    HTTPStatus.METHOD_NOT_ALLOWED: "; the server takes no files there",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "; the server takes no file as large",
}
_LONGEST_WAIT = timedelta(minutes=10)  # whatever a server asks for


def check(answer: Any) -> None:
    """Raise StorageError unless ``answer`` says that all is well."""
    if not HTTPStatus.OK <= answer.status_code < HTTPStatus.MULTIPLE_CHOICES:
        raise _refusal(answer)


def _refusal(answer: Any) -> StorageError:
    code = int(answer.status_code)
    reason = answer.reason or "no reason given"
    known = {
        HTTPStatus.NOT_FOUND: "does not exist",
        HTTPStatus.GONE: "does not exist any more",
        HTTPStatus.UNAUTHORIZED: "access denied",
        HTTPStatus.FORBIDDEN: "access denied",
    }
    what = known.get(HTTPStatus(code), reason) if code in set(HTTPStatus) else reason
    cure = next((cure for status, cure in _CURES.items() if status == code), "")
    transient = code in _TRANSIENT or code >= HTTPStatus.INTERNAL_SERVER_ERROR
    return StorageError(
        f"{what} (HTTP {code}){cure}",
        transient=transient and code != HTTPStatus.NOT_IMPLEMENTED,
        retry_after=_retry_after(answer.headers.get("Retry-After", "")),
    )


def _retry_after(text: str) -> timedelta | None:
    if text.isdecimal():
        return min(timedelta(seconds=int(text[:9])), _LONGEST_WAIT)
    try:
        delay = parsedate_to_datetime(text) - datetime.now(UTC)
    except (TypeError, ValueError):
        return None
    return max(timedelta(), min(delay, _LONGEST_WAIT))


def explain(error: BaseException) -> StorageError:
    """Say what an exception of requests or smart_open means."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return _refusal(error.response)
    if isinstance(
        error,
        requests.exceptions.InvalidURL
        | requests.exceptions.MissingSchema
        | UnicodeError,
    ):
        return StorageError("is not a valid url")
    if isinstance(error, requests.TooManyRedirects):
        return StorageError("redirects without end")
    return explain_connection(error)
