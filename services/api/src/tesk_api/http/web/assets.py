"""Serves the files that the page loads; each is named here, none is looked up."""

import functools
import gzip
from http import HTTPStatus
from importlib.resources import files
from types import MappingProxyType

from flask import Response, request

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
    is_packed = request.accept_encodings["gzip"] > 0
    answer = Response(_content(name, packed=is_packed), mimetype=_TYPES[name])
    if is_packed:
        answer.content_encoding = "gzip"
    answer.vary.add("Accept-Encoding")
    # The name of a library has its version; the rest may change with a release.
    age = _YEAR if name.startswith("htmx") else _SHORT
    answer.headers["Cache-Control"] = f"public, max-age={age}"
    answer.add_etag()
    answer.make_conditional(request)
    return answer


@functools.cache
def _content(name: str, *, packed: bool) -> bytes:
    content = files(__package__).joinpath("static", name).read_bytes()
    return gzip.compress(content, mtime=0) if packed else content
