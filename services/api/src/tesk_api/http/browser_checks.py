"""Refuses requests of foreign web pages, and sets security headers for browsers.

Every request is checked here first; the rules are in ``domain.allowed_origins``.
"""

import base64
import hashlib
import re

from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import UnsupportedMediaType

from tesk_api.domain.allowed_origins import AllowedOrigins

# Key of the WSGI environment: Content-Security-Policy of a response that is a page.
PAGE_POLICY = "tesk.page_policy"

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Probes use any host name; the responses hold no secrets.
_PROBES = frozenset({"/healthz", "/readyz"})
_FORMS = "/web/"
_NO_POLICY = "default-src 'none'; frame-ancestors 'none'"
_ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def register_browser_checks(app: Flask, allowed: AllowedOrigins) -> None:
    """Refuse requests that pages of other origins make a browser send."""

    @app.before_request
    def check_request() -> None:
        # Not by Flask's wrappers, which cost more than the checks.
        environ = request.environ
        authority = environ.get("HTTP_HOST", "")
        if environ["PATH_INFO"] not in _PROBES:
            allowed.check_host(authority)
        if environ["REQUEST_METHOD"] in _SAFE_METHODS:
            return
        allowed.check_origin(
            fetch_site=environ.get("HTTP_SEC_FETCH_SITE", ""),
            origin=environ.get("HTTP_ORIGIN", ""),
            authority=authority,
        )
        if environ["PATH_INFO"].startswith(_FORMS):
            return  # which carry a token of their page
        if request.mimetype != "application/json" and request.content_length:
            # With another type, a page may send it without a preflight request.
            raise UnsupportedMediaType(
                f"{request.mimetype or 'a body without a type'} is not understood; "
                'send JSON with "Content-Type: application/json"'
            )


def set_page_policy(blueprint: Blueprint) -> None:
    """Let the pages of ``blueprint`` load resources of this server alone."""

    @blueprint.after_request
    def set_policy(response: Response) -> Response:
        own = ""
        if response.mimetype == "text/html":
            response.direct_passthrough = False
            own = "".join(
                f" 'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
                for script in _SCRIPT.findall(response.get_data())
            )
        request.environ[PAGE_POLICY] = (
            f"default-src 'none'; script-src 'self'{own}; "
            "style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        return response


def security_headers(
    present: list[tuple[str, str]], policy: str = ""
) -> list[tuple[str, str]]:
    """Return the headers to add to any response."""
    added = [*_ALWAYS, ("Content-Security-Policy", policy or _NO_POLICY)]
    if not any(name.lower() == "cache-control" for name, _ in present):
        added.append(("Cache-Control", "no-store"))
    return added
