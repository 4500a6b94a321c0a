"""Forms of the page: who sends one has read the page, and is no other site.

Each browser has a random cookie that goes to this site alone (SameSite=Strict), and each
form repeats it: another site can neither read the cookie nor send it along. Beside
that, requests of other origins are refused before they come here (``browser_checks``).
"""

import hmac
import re
import secrets
from collections.abc import Mapping

from flask import Response, request
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

from tesk_model.errors import PermissionDeniedError

COOKIE = "tesk_form"
FIELD = "form_token"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def form_token() -> str:
    """Return the token of this browser, or a new one."""
    known = request.cookies.get(COOKIE, "")
    return known if _TOKEN.fullmatch(known) else secrets.token_urlsafe(32)


def with_token(response: Response, token: str) -> Response:
    """Let the browser keep the token of the forms of a page."""
    if request.cookies.get(COOKIE) != token:
        response.set_cookie(
            COOKIE,
            token,
            httponly=True,
            samesite="Strict",
            secure=request.is_secure,
            path="/web",
        )
    return response


def read_form(limit: int) -> "MultiDict[str, str]":
    """Return the fields of a form that this page made.

    Raises:
        PermissionDeniedError: It does not come from this page.
        RequestEntityTooLarge: It is longer than ``limit`` bytes.
    """
    if (request.content_length or 0) > limit:
        raise RequestEntityTooLarge
    request.max_content_length = limit
    request.max_form_memory_size = limit
    if request.mimetype != "application/x-www-form-urlencoded":
        raise BadRequest("this is no form of this page")
    fields: MultiDict[str, str] = request.form
    _check(request.cookies, fields)
    return fields


def _check(cookies: Mapping[str, str], fields: "MultiDict[str, str]") -> None:
    known, sent = cookies.get(COOKIE, ""), fields.get(FIELD, "")
    if not known or not hmac.compare_digest(known.encode(), sent.encode()):
        raise PermissionDeniedError(
            "the form is not of this page, or too old; load the page again"
        )
