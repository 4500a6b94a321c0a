"""Serves the files that the page loads; each is named here, none is looked up."""

import functools
from http import HTTPStatus
from importlib.resources import files
from types import MappingProxyType

from flask import Response

_TYPES = MappingProxyType(
    {
        "style.css": "text/css",
        "page.js": "text/javascript",
        "live.js": "text/javascript",
        "htmx-2.0.4.min.js": "text/javascript",
        "htmx-LICENSE.txt": "text/plain",
        "icon.svg": "image/svg+xml",
    }
)
_YEAR = 365 * 24 * 3600  # seconds
_SHORT = 300


def static_file(name: str) -> Response:
    """Return a file of the page."""
    if name not in _TYPES:
        return Response("there is nothing here", HTTPStatus.NOT_FOUND)
    answer = Response(_content(name), mimetype=_TYPES[name])
    # The name of a library has its version; the rest may change with a release.
    age = _YEAR if name.startswith("htmx") else _SHORT
    answer.headers["Cache-Control"] = f"public, max-age={age}"
    return answer


@functools.cache
def _content(name: str) -> bytes:
    return files(__package__).joinpath("static", name).read_bytes()
