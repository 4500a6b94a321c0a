"""Where an HTTP server sends its clients on to, and who they are there.

Followed by us rather than by requests, which reads the whole body of a
redirect, however long, and raises anything at all for a malformed target.
"""

from http import HTTPStatus
from typing import Any
from urllib.parse import urljoin

from tesk_filer.domain.locations import parse_url, printable, redact
from tesk_filer.ports import StorageError

_ALIKE = frozenset({HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT})
_READING = _ALIKE | {HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.FOUND}
_READING |= {HTTPStatus.SEE_OTHER}
_PORTS = {"http": 80, "https": 443}
_SHOWN = 200  # characters of a target


def redirect_of(method: str, url: str, answer: Any) -> str | None:
    """Return where ``answer`` sends the client; None if it does not.

    A PUT follows only those that keep its method: the others say that something
    else can be read elsewhere.

    Raises:
        StorageError: Nobody can go there.
    """
    codes = _ALIKE if method == "PUT" else _READING
    location = answer.headers.get("Location", "")
    if answer.status_code not in codes or not location:
        return None
    try:
        # Headers arrive as Latin-1 and are meant as UTF-8.
        target: str = urljoin(
            url, location.encode("latin-1").decode("utf-8", "replace")
        )
        scheme = parse_url(target).scheme
    except ValueError as error:
        shown = printable(redact(location))[:_SHOWN]
        message = f'redirects to "{shown}", which is no url that can be used'
        raise StorageError(message) from error
    if scheme not in _PORTS:
        shown = printable(redact(target))[:_SHOWN]
        raise StorageError(f'redirects to "{shown}", which is neither http nor https')
    return target


def keeps_login(before: str, after: str) -> bool:
    """Tell whether what is said to ``before`` may be said to ``after``.

    The same server, or the same host that now asks for https at its usual port.
    """
    old, new = parse_url(before), parse_url(after)
    if old.host.lower() != new.host.lower():
        return False
    ports = [url.port or _PORTS[url.scheme] for url in (old, new)]
    if old.scheme == new.scheme:
        return ports[0] == ports[1]
    return ports == [_PORTS["http"], _PORTS["https"]]
