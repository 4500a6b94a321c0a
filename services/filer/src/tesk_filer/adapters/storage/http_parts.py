"""Parts of files in responses of HTTP.

Source:
    RFC 9110, 14 "Range Requests".
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Protocol

from tesk_filer.ports import ChangedError, Part, Stat, StorageError

_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


class _Response(Protocol):
    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...


def whole_size(response: _Response, part: Part | None) -> int | None:
    """Return the bytes of the whole file of a response with all of it, or with ``part``.

    Returns:
        None if the server does not say.

    Raises:
        ChangedError: It is another part.
        StorageError: The server does not send parts.
    """
    length = response.headers.get("content-length", "")
    coming = int(length) if length.isdecimal() else None
    if part is None:
        return coming
    found = _RANGE.fullmatch(response.headers.get("content-range", ""))
    if response.status == HTTPStatus.PARTIAL_CONTENT and found is not None:
        first, last, size = map(int, found.groups())
        if (first, last + 1) == (part.start, part.stop):
            return size
        raise ChangedError
    if (part.start, part.stop) == (0, coming):
        return coming
    raise StorageError("the service sends other bytes than those that were asked for")


def whole_file(
    response: _Response, part: Part | None, known: Stat | None, told: Stat
) -> Stat:
    """Return what is known of the whole file by a response to GET.

    Args:
        response: A success, with ``part`` or all of the file.
        part: What was asked for.
        known: Of the file.
        told: ETag and digests that the response tells of the whole file.

    Raises:
        ChangedError: It is another content than the ``known`` one.
        StorageError: It is another part than was asked for.
    """
    size = whole_size(response, part)
    if known is None:
        return replace(told, size=size)
    if None not in (known.size, size) and known.size != size:
        raise ChangedError
    # Not every service knows conditions, and some listings leave the quotes out.
    if known.etag and told.etag.strip('"') not in ("", known.etag.strip('"')):
        raise ChangedError
    return Stat(
        size=known.size if size is None else size,
        etag=told.etag or known.etag,
        checksums=told.checksums or known.checksums,
    )


def range_header(part: Part | None) -> dict[str, str]:
    """Return the header that asks for ``part``; none for the whole file."""
    return {"range": f"bytes={part.start}-{part.stop - 1}"} if part else {}
