"""Converts error responses of the API server to exceptions.

The message is the server's; of a response that is not the server's (a page of a proxy)
only the status is reported.

Source:
    Kubernetes API conventions, "Response Status Kind"; ``k8s.io/apiserver``
    admission (quota, webhooks) and ``forbiddenMessage``; etcd, ``ErrRequestTooLarge``.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus

import msgspec

from tesk_kubernetes.api import (
    AlreadyExistsError,
    ApiUnavailableError,
    ExpiredError,
    ForbiddenError,
    KubernetesError,
    QuotaExceededError,
    RefusedError,
)

# Longer ones repeat themselves (a validation error for each field).
_MAX_MESSAGE = 2000

_PASSING = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
# "status unknown for quota": made a moment ago, not yet counted.
_PASSING_PHRASE = "status unknown for quota"
# A webhook may refuse with any code; this phrase tells a refusal from a failure.
_WEBHOOK_REFUSAL = "denied the request"
# Of the authorizer; admission refuses with a 403, too.
_NO_RIGHT = re.compile(r'User ".*" cannot \S+ (?:resource|path) "')
# Of etcd, and of the API server's calls to it: the answer is a 500, as of a failure.
_TOO_LARGE = ("request is too large", "trying to send message larger than max")


class MissingError(RefusedError):
    """The object does not exist (404)."""


class OtherObjectError(RefusedError):
    """The object of this name has another uid than the precondition (409)."""


class Status(msgspec.Struct, frozen=True):
    """The ``Status`` object of a failed call."""

    code: int = 0
    reason: str = ""
    message: str = ""


def error_of(
    code: int, body: bytes, headers: Mapping[str, str] | None = None
) -> KubernetesError:
    """Return the exception for an error response.

    Args:
        code: HTTP status, not 2xx.
        body: The ``Status`` object, or anything.
        headers: Of the response; only Retry-After counts.
    """
    status = _status_of(body)
    message = (status.message or f"the API server answers {_phrase(code)}")[
        :_MAX_MESSAGE
    ]
    error = _final_error(code, status.reason, message)
    return error or ApiUnavailableError(message, _retry_after(headers or {}))


def _final_error(code: int, reason: str, message: str) -> KubernetesError | None:
    """Return a permanent error; None if the failure is transient."""
    conflict = code == HTTPStatus.CONFLICT
    over_quota = code == HTTPStatus.FORBIDDEN and "exceeded quota" in message
    no_right = code == HTTPStatus.FORBIDDEN and bool(_NO_RIGHT.search(message))
    passing = code in _PASSING or code >= HTTPStatus.INTERNAL_SERVER_ERROR
    rules: tuple[tuple[bool, type[KubernetesError] | None], ...] = (
        (reason == "AlreadyExists", AlreadyExistsError),
        (reason == "NotFound", MissingError),
        (conflict and "precondition" in message.lower(), OtherObjectError),
        (code == HTTPStatus.GONE, ExpiredError),
        (over_quota, QuotaExceededError),
        (_WEBHOOK_REFUSAL in message, RefusedError),
        (no_right, ForbiddenError),
        (any(phrase in message for phrase in _TOO_LARGE), RefusedError),
        (passing or _PASSING_PHRASE in message, None),
        (True, RefusedError),
    )
    kind = next(kind for holds, kind in rules if holds)
    return None if kind is None else kind(message)


def _status_of(body: bytes) -> Status:
    try:
        return msgspec.json.decode(body, type=Status)
    except msgspec.MsgspecError:
        return Status()


def _phrase(code: int) -> str:
    try:
        return f"{code} ({HTTPStatus(code).phrase})"
    except ValueError:
        return str(code)


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    given = headers.get("Retry-After", "")
    return timedelta(seconds=int(given)) if given.isdigit() else None
