"""What HTTP servers answer and requests raises, in words that name the cure."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import requests

from tesk_filer.adapters.storage.network import explain_connection
from tesk_filer.ports import StorageError

_TRANSIENT = frozenset(
    {
        HTTPStatus.ACCEPTED,  # fetched from tape, say
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.LOCKED,
    }
)
_CURES = {
    HTTPStatus.ACCEPTED: ": the file is not there yet",
    HTTPStatus.PARTIAL_CONTENT: ": a part, not the whole file",
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: "; the proxy wants user and password",
    HTTPStatus.UNAUTHORIZED: "; give user and password in the url",
    HTTPStatus.FORBIDDEN: "; check that the url may be used from here",
    HTTPStatus.CONFLICT: "; the folder above it may not exist",
    HTTPStatus.METHOD_NOT_ALLOWED: "; the server takes no files there",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "; the server takes no file as large",
}
# In this order: nearly all of them are ValueErrors, as are those of the standard
# library for urls that it cannot take apart.
_LASTING: Mapping[type[BaseException], str] = MappingProxyType(
    {
        requests.exceptions.InvalidProxyURL: (
            "the url of the proxy is malformed; see HTTP_PROXY"
        ),
        requests.exceptions.InvalidSchema: (
            "its proxy is of a kind that is not supported"
        ),
        requests.exceptions.InvalidHeader: (
            "the server contradicts itself in what it announces"
        ),
        ValueError: "is not a valid url",
    }
)
_DIGITS = 18  # of a length; more than any file has
_REASON = 100  # characters of what a server calls its status
_LONGEST_WAIT = timedelta(minutes=10)  # whatever a server asks for


def check_file(answer: Any, *, offset: int = 0) -> None:
    """Raise StorageError unless ``answer`` carries the file.

    Only 200 and 203 do, and 206 if a part was asked for. The others speak of the
    file: it is not there yet, it is only a part, it is what you have already.

    Source:
        RFC 9110, 15.3 "Successful 2xx" and 15.4 "Redirection 3xx".
    """
    code = answer.status_code
    if code == HTTPStatus.PARTIAL_CONTENT and offset:
        first = answer.headers.get("Content-Range", "").lower().split("-")[0]
        if first == f"bytes {offset}":
            return
    elif code in (HTTPStatus.OK, HTTPStatus.NON_AUTHORITATIVE_INFORMATION):
        length_of(answer)
        return
    raise _refusal(answer)


def check_written(answer: Any) -> None:
    """Raise StorageError unless ``answer`` says that a file was taken."""
    if not HTTPStatus.OK <= answer.status_code < HTTPStatus.MULTIPLE_CHOICES:
        raise _refusal(answer, brings="")


def length_of(answer: Any) -> int | None:
    """Return what ``answer`` says that its body has; None if it does not.

    Raises:
        StorageError: What it says is no length.
    """
    text = answer.headers.get("Content-Length", "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > _DIGITS:
        raise StorageError(f'the server announces a length of "{text[:30]}"')
    return int(text)


def tag_of(answer: Any) -> str:
    """Return what tells this state of a file from others; "" if nothing does."""
    tag: str = answer.headers.get("ETag", "")
    return tag.strip().removeprefix("W/")


def _refusal(answer: Any, *, brings: str = ", not the file") -> StorageError:
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
    if code < HTTPStatus.BAD_REQUEST:
        what = f'the server answers "{what[:_REASON]}"'
        cure = cure or brings
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
    except (TypeError, ValueError, OverflowError):
        return None
    return max(timedelta(), min(delay, _LONGEST_WAIT))


def explain(error: BaseException) -> StorageError:
    """Say what an exception of requests or urllib3 means."""
    for kind, words in _LASTING.items():
        if isinstance(error, kind):
            return StorageError(words)
    return explain_connection(error)
