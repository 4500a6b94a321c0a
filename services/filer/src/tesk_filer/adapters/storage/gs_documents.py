"""Reads what Google Cloud Storage answers.

Source:
    Cloud Storage, "JSON API", objects and "HTTP status and error codes".
"""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from tesk_filer.adapters.storage.http_bodies import Digest
from tesk_filer.adapters.storage.http_response import HttpResponse
from tesk_filer.adapters.storage.rest import Dialect
from tesk_filer.ports import Checksums, Entry, Stat, StorageError

FIELDS = "name,size,generation,md5Hash,crc32c"
"""Of an object, what this module reads."""

_DENIED = (
    "access denied ({code}); check the credentials of the filer and its roles at the "
    "bucket"
)


def _code_of(response: HttpResponse) -> str:
    """Return the reason that an error gives, e.g. ``forbidden``."""
    try:
        error = json.loads(response.read_document())["error"]
        reason = error["errors"][0]["reason"]
    except (StorageError, ValueError, LookupError, TypeError):
        return ""
    return reason if isinstance(reason, str) and reason.isalnum() else ""


DIALECT = Dialect(
    name="Google Cloud Storage",
    code_of=_code_of,
    texts=MappingProxyType(
        {
            "401": _DENIED,
            "403": _DENIED,
            "404": "does not exist ({code}); check bucket and name",
            "userProjectMissing": (
                "the bucket lets the requester pay ({code}); give the filer's "
                "credentials a quota project"
            ),
        }
    ),
    transient=frozenset({"rateLimitExceeded", "userRateLimitExceeded"}),
)


def checked(response: HttpResponse) -> HttpResponse:
    """Return a successful response.

    Raises:
        StorageError: It is none.
    """
    if response.status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        return response
    raise DIALECT.error_of(response)


@contextmanager
def understood() -> Iterator[None]:
    """Raise StorageError if what is parsed is not what the interface promises."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        message = "Google Cloud Storage answers what makes no sense; check its endpoint"
        raise StorageError(message) from error


def parse_json(response: HttpResponse) -> dict[str, Any]:
    """Return the object that a response holds.

    Raises:
        StorageError: It holds none.
    """
    document = response.read_document()
    with understood():
        return dict(json.loads(document))


def stat_of(item: Mapping[str, Any]) -> Stat:
    """Return the status of the object that ``item`` describes."""
    with understood():
        return entry_of({"name": "", **item})


def entry_of(item: Mapping[str, Any]) -> Entry:
    """Return the entry of a listing; raises as ``understood`` expects."""
    return Entry(
        name=str(item["name"]),
        size=int(item["size"]),
        etag=str(item.get("generation", "")),
        checksums=_checksums(item),
    )


def told_of(headers: Mapping[str, str]) -> Stat:
    """Return what headers tell of a whole object, but for its size."""
    names = {"md5": "md5Hash", "crc32c": "crc32c"}
    digests = dict.fromkeys(names.values(), "")
    for digest in headers.get("x-goog-hash", "").split(","):
        name, _, value = digest.strip().partition("=")
        if name in names:
            digests[names[name]] = value
    with understood():
        return Stat(
            etag=headers.get("x-goog-generation", ""), checksums=_checksums(digests)
        )


def _checksums(item: Mapping[str, Any]) -> Checksums:
    """Return the digests; objects that were composed have no MD5."""
    digests = {"md5": item.get("md5Hash"), "crc32c": item.get("crc32c")}
    return {
        name: base64.b64decode(value, validate=True).hex()
        for name, value in digests.items()
        if value
    }


def verify(item: dict[str, Any], size: int, digest: Digest) -> None:
    """Compare what was stored with what was sent.

    Raises:
        StorageError: It differs.
    """
    there = stat_of(item)
    if there.size != size:
        message = f"{size} bytes were sent and {there.size} bytes arrived"
        raise StorageError(message, transient=True)
    sent = digest.digest().hex()
    if there.checksums.get("md5", sent) != sent:
        raise StorageError("other bytes arrived than were sent", transient=True)
