"""Reads JSON documents of servers that say where files are: htsget and DRS."""

import json
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import msgspec

from tesk_filer.adapters.storage.http_client import HttpClient, authorization_of
from tesk_filer.adapters.storage.http_errors import check_file
from tesk_filer.adapters.storage.http_response import HttpResponse
from tesk_filer.domain.credentials import with_login_of
from tesk_filer.ports import Credentials, StorageError
from tesk_model.locations import InvalidLocationError, Location, parse_location

_MAX_DOCUMENT = 16 * 1024 * 1024  # bytes
_MAX_ERROR = 64 * 1024
_KINDS = (
    *("InvalidAuthentication", "PermissionDenied", "NotFound", "PayloadTooLarge"),
    *("UnsupportedFormat", "InvalidInput", "InvalidRange"),
)
_MAX_HEADERS = 32
_MAX_HEADER = 16 * 1024  # characters
# How a request is sent is not said by others.
_OWN_HEADERS = frozenset(
    {
        *("host", "connection", "content-length", "transfer-encoding", "upgrade"),
        *("te", "trailer", "expect", "cookie", "accept-encoding"),
    }
)


def https_location(location: Location, path: str) -> Location:
    """Return the url of https at the server of ``location``, with its user.

    ``path`` begins with a slash and is percent-encoded; the query stays.
    """
    host = f"[{location.host}]" if ":" in location.host else location.host
    port = f":{location.port}" if location.port else ""
    found = parse_location(f"https://{host}{port}{path}{location.query}")
    return replace(found, user=location.user, password=location.password)


def given_for(location: Location, credentials: Credentials) -> dict[str, str]:
    """Return the headers of the credential that is meant for urls of this scheme."""
    found = with_login_of(location, credentials.find(location))
    authorization = authorization_of(found)
    return {"Authorization": authorization} if authorization else {}


def read_document(
    client: HttpClient, location: Location, accept: str, given: Mapping[str, str]
) -> dict[str, Any]:
    """Return a document; ``given`` headers go to the server of ``location`` alone.

    Raises:
        StorageError: There is none, or it is not an object of JSON.
    """
    response, _ = client.follow(
        "GET", location, headers={"Accept": accept}, given=given
    )
    try:
        if response.status >= HTTPStatus.BAD_REQUEST:
            said = _said(response)
            try:
                check_file(response)
            except StorageError as error:
                error.message += said
                raise
        check_file(response)
        text = response.read_document(_MAX_DOCUMENT)
    finally:
        response.close()
    try:
        # Not by ``json``, which takes halves of characters that no url can hold.
        document = msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:
        raise StorageError("the server's answer is not JSON") from error
    if not isinstance(document, dict):
        raise StorageError("the server's answer is not an object of JSON")
    return document


def target_of(url: object) -> Location:
    """Return the location that a document names.

    Raises:
        StorageError: It is none.
    """
    try:
        return parse_location(url if isinstance(url, str) else "")
    except InvalidLocationError as error:
        raise StorageError(f"leads to a url that {error}") from error


def given_headers(pairs: Mapping[str, object]) -> dict[str, str]:
    """Return the headers that a document gives for a url.

    Raises:
        StorageError: They cannot be sent.
    """
    found = {}
    for name, value in pairs.items():
        if not isinstance(value, str) or len(name) + len(value) > _MAX_HEADER:
            raise StorageError("leads to a url with headers that cannot be sent")
        if not (value.isprintable() and value.isascii() and name.isascii()):
            raise StorageError("leads to a url with headers that cannot be sent")
        if name.lower() not in _OWN_HEADERS:
            found[name] = value
    if len(found) > _MAX_HEADERS:
        raise StorageError(f"leads to a url with more than {_MAX_HEADERS} headers")
    return found


def _said(response: HttpResponse) -> str:
    """Return the kind of an error of htsget; "" if there is none.

    Not its message: a server may repeat there what it was sent.
    """
    try:
        kind = json.loads(response.read_document(_MAX_ERROR))["htsget"]["error"]
    except (StorageError, ValueError, RecursionError, LookupError, TypeError):
        return ""
    return f" ({kind})" if kind in _KINDS else ""
