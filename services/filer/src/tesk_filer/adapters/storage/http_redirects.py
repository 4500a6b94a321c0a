"""Redirects of HTTP servers, and whether credentials are sent to their targets.

No library follows them: each hop has credentials of its own and passes the operator's
lists, and what is no url must be an error that says so.
"""

from http import HTTPStatus
from urllib.parse import urljoin

from tesk_filer.domain.redaction import excerpt
from tesk_filer.ports import StorageError
from tesk_model.locations import Location, describe_url, parse_location
from tesk_model.schemes import SCHEMES

_SAME_METHOD = frozenset({HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT})
_FOR_GET = _SAME_METHOD | {HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.FOUND}
_FOR_GET |= {HTTPStatus.SEE_OTHER}
_MAX_SHOWN = 200  # characters of a target


def redirect_of(
    method: str, requested: Location, status: int, location: str
) -> Location | None:
    """Return the target of a redirect; None if a response is not one.

    A PUT or POST follows only redirects that keep its method: the others refer to another
    resource.

    Args:
        method: Of the request.
        requested: Its url.
        status: Of the response.
        location: Its header of that name; "" if there is none.

    Raises:
        StorageError: The target is not usable.
    """
    codes = _SAME_METHOD if method in ("PUT", "POST") else _FOR_GET
    if status not in codes or not location:
        return None
    # What names no host is like a path, of which nothing would be hidden.
    url = f"{location.partition('//')[0] or f'{requested.scheme}:'}…"
    try:
        # Headers arrive as Latin-1 and are meant as UTF-8.
        url = urljoin(
            requested.url, location.encode("latin-1").decode("utf-8", "replace")
        )
        target = parse_location(url)
    except ValueError as error:
        shown = excerpt(describe_url(url), _MAX_SHOWN)
        message = f'redirects to "{shown}", which is not a usable url'
        raise StorageError(message) from error
    if SCHEMES[target.scheme].storage != SCHEMES[requested.scheme].storage:
        shown = excerpt(str(target), _MAX_SHOWN)
        raise StorageError(f'redirects to "{shown}", which is neither http nor https')
    return target


def keeps_login(old: Location, new: Location) -> bool:
    """Tell whether credentials for ``old`` may be sent to ``new``.

    It is the same server, or the same host with https at its default port.
    """
    if old.host.lower() != new.host.lower():
        return False
    ports = [each.port_or_default for each in (old, new)]
    if old.scheme == new.scheme:
        return ports[0] == ports[1]
    return (old.scheme, new.scheme) == ("http", "https") and ports == [80, 443]
