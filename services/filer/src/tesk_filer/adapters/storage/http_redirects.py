"""Where an HTTP server sends its clients on to, and who they are there.

Followed by us rather than by requests, which reads the whole body of a
redirect, however long, and raises anything at all for a malformed target.
"""

from http import HTTPStatus
from typing import Any
from urllib.parse import urljoin

from tesk_filer.ports import StorageError
from tesk_model.locations import Location, describe_url, parse_location
from tesk_model.schemes import SCHEMES

_ALIKE = frozenset({HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT})
_READING = _ALIKE | {HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.FOUND}
_READING |= {HTTPStatus.SEE_OTHER}
_SHOWN = 200  # characters of a target


def redirect_of(method: str, asked: Location, answer: Any) -> Location | None:
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
        url = urljoin(asked.url, location.encode("latin-1").decode("utf-8", "replace"))
        target = parse_location(url)
    except ValueError as error:
        shown = describe_url(location)[:_SHOWN]
        message = f'redirects to "{shown}", which is no url that can be used'
        raise StorageError(message) from error
    if SCHEMES[target.scheme].storage != SCHEMES[asked.scheme].storage:
        shown = str(target)[:_SHOWN]
        raise StorageError(f'redirects to "{shown}", which is neither http nor https')
    return target


def keeps_login(old: Location, new: Location) -> bool:
    """Tell whether what is said to ``old`` may be said to ``new``.

    The same server, or the same host that now asks for https at its usual port.
    """
    if old.host.lower() != new.host.lower():
        return False
    ports = [each.port or SCHEMES[each.scheme].port for each in (old, new)]
    if old.scheme == new.scheme:
        return ports[0] == ports[1]
    return (old.scheme, new.scheme) == ("http", "https") and ports == [80, 443]
