"""Assigns ids to requests; an id is in every log line and response."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

HEADER = "X-Request-Id"
_KEY = "tesk.request_id"
_VALID = re.compile(r"[A-Za-z0-9._:/+=-]{1,64}")


def assign_request_id(environ: "WSGIEnvironment", new_id: Callable[[], str]) -> str:
    """Assign the id that the client sent, if it is valid, else a new one."""
    sent = environ.get("HTTP_X_REQUEST_ID", "")
    request_id = sent if _VALID.fullmatch(sent) else new_id()
    environ[_KEY] = request_id
    return request_id


def request_id(environ: "WSGIEnvironment") -> str:
    """Return the id of the request, or "" before it has one."""
    return str(environ.get(_KEY, ""))
