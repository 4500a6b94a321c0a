"""The name of a request: given by the client or by us, in every log and answer."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

HEADER = "X-Request-Id"
_KEY = "tesk.request_id"
_GOOD = re.compile(r"[A-Za-z0-9._:/+=-]{1,64}")


def assign_request_id(environ: "WSGIEnvironment", new_id: Callable[[], str]) -> str:
    """Give the request its id: the client's if it is harmless, else a new one."""
    sent = environ.get("HTTP_X_REQUEST_ID", "")
    name = sent if _GOOD.fullmatch(sent) else new_id()
    environ[_KEY] = name
    return name


def request_id(environ: "WSGIEnvironment") -> str:
    """Return the id of the request, or "" before it has one."""
    return str(environ.get(_KEY, ""))
