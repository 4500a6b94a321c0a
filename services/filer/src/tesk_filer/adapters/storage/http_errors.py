"""Converts HTTP responses to ``StorageError``."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from tesk_filer.domain.redaction import excerpt
from tesk_filer.ports import ChangedError, Part, StorageError

_TRANSIENT = frozenset(
    {
        HTTPStatus.ACCEPTED,  # e.g. being fetched from tape
        HTTPStatus.TOO_EARLY,
        HTTPStatus.LOCKED,
    }
)
_LASTING = frozenset(
    {
        HTTPStatus.NOT_IMPLEMENTED,
        HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
        HTTPStatus.INSUFFICIENT_STORAGE,
    }
)
_THROTTLED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_HINTS = {
    HTTPStatus.ACCEPTED: ": the file is not there yet",
    HTTPStatus.PARTIAL_CONTENT: ": a part, not the whole file",
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: "; the proxy wants user and password",
    HTTPStatus.UNAUTHORIZED: "; give user and password in the url",
    HTTPStatus.FORBIDDEN: "; check that the url may be used from here",
    HTTPStatus.CONFLICT: "; the folder above it may not exist",
    HTTPStatus.METHOD_NOT_ALLOWED: "; the server takes no files there",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "; the server takes no file as large",
    HTTPStatus.INSUFFICIENT_STORAGE: "; no space is left there, or a quota is used up",
}
_DIGITS = 18  # of a length; more than any file has
_MAX_REASON = 100  # characters of the reason phrase
_MAX_RETRY_AFTER = timedelta(minutes=10)


class HttpError(StorageError):
    """A response that is not what was asked for.

    Attributes:
        status: Of HTTP.
    """

    def __init__(self, status: int, message: str, **options: Any) -> None:
        """``options`` are those of ``StorageError``."""
        super().__init__(message, **options)
        self.status = status


def check_file(response: Any, *, part: Part | None = None) -> None:
    """Raise StorageError unless ``response`` carries the file, or ``part`` of it.

    Only 200 and 203 do, and 206 if a range was requested. The others are about the
    file: it is not ready, the body is a part of it, it has not changed.

    Source:
        RFC 9110, 15.3 "Successful 2xx" and 15.4 "Redirection 3xx".
    """
    code = response.status
    if code == HTTPStatus.PARTIAL_CONTENT and part:
        first = response.headers.get("Content-Range", "").lower().split("-")[0]
        if first == f"bytes {part.start}":
            return
    elif code == HTTPStatus.PRECONDITION_FAILED or (
        # It is shorter than it was: the part was one of it.
        part and code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
    ):
        raise ChangedError(f"changed while it was read (HTTP {code})")
    elif code in (HTTPStatus.OK, HTTPStatus.NON_AUTHORITATIVE_INFORMATION):
        length_of(response)
        return
    raise _error_of(response)


def check_written(response: Any) -> None:
    """Raise StorageError unless ``response`` confirms that a file was stored."""
    if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
        raise _error_of(response, brings="")


def length_of(response: Any) -> int | None:
    """Return the announced length of the body; None if there is none.

    Raises:
        StorageError: It is not a number.
    """
    text = response.headers.get("Content-Length", "").strip()
    return _number(text) if text else None


def whole_length_of(response: Any) -> int | None:
    """Return the announced length of the whole file, also of a response with a part.

    Raises:
        StorageError: It is not a number.
    """
    if response.status != HTTPStatus.PARTIAL_CONTENT:
        return length_of(response)
    text = response.headers.get("Content-Range", "").rpartition("/")[2].strip()
    return None if text in ("", "*") else _number(text)


def told_size(response: Any, tag: str) -> int | None:
    """Return the size that a response to HEAD or GET tells of the whole file.

    Args:
        response: To a question about the file.
        tag: ETag of the content that is meant; "" if it has none.

    Returns:
        None if it tells none, or may be about something else: only a plain 200 counts,
        since some servers redirect, or respond encoded, with another ETag, or from a
        cache.
    """
    is_encoded = bool(response.headers.get("Content-Encoding"))
    is_other = tag and tag_of(response) not in ("", tag)
    if response.status != HTTPStatus.OK or is_encoded or is_other:
        return None
    return length_of(response)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > _DIGITS:
        raise StorageError(f'the server announces a length of "{excerpt(text, 30)}"')
    return int(text)


def tag_of(response: Any) -> str:
    """Return the ETag; "" if there is none."""
    tag: str = response.headers.get("ETag", "")
    return tag.strip().removeprefix("W/")


def _error_of(response: Any, *, brings: str = ", not the file") -> HttpError:
    code = int(response.status)
    reason = excerpt(response.reason or "no reason given", _MAX_REASON)
    known = {
        HTTPStatus.NOT_FOUND: "does not exist",
        HTTPStatus.GONE: "does not exist any more",
        HTTPStatus.UNAUTHORIZED: "access denied",
        HTTPStatus.FORBIDDEN: "access denied",
    }
    what = known.get(HTTPStatus(code), reason) if code in set(HTTPStatus) else reason
    hint = next((hint for status, hint in _HINTS.items() if status == code), "")
    if code < HTTPStatus.BAD_REQUEST:
        what = f'the server answers "{what}"'
        hint = hint or brings
    return HttpError(
        code,
        f"{what} (HTTP {code}){hint}",
        transient=code in _TRANSIENT or may_pass(code),
        retry_after=retry_after_of(response),
        throttled=code in _THROTTLED,
    )


def may_pass(status: int) -> bool:
    """Tell whether what a service refuses so may succeed later.

    Source:
        RFC 9110, 15.5.9 and 15.6; RFC 6585, 4; RFC 4918, 11.5 (507: a person must act).
    """
    if status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS):
        return True
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR and status not in _LASTING


def retry_after_of(response: Any) -> timedelta | None:
    """Return how long the server asks to wait, within bounds; None if it does not."""
    text = response.headers.get("Retry-After", "")
    if text.isdecimal():
        return min(timedelta(seconds=int(text[:9])), _MAX_RETRY_AFTER)
    # Imported here: it takes as much as a fortieth of a filer's start, and few need it.
    from email.utils import parsedate_to_datetime  # noqa: PLC0415

    try:
        delay = parsedate_to_datetime(text) - datetime.now(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    return max(timedelta(), min(delay, _MAX_RETRY_AFTER))
