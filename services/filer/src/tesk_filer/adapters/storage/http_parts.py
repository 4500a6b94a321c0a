"""Parts of files in responses of HTTP.

Source:
    RFC 9110, 14 "Range Requests".
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Protocol

from tesk_filer.ports import ChangedError, Part, StorageError

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


def range_header(part: Part | None) -> dict[str, str]:
    """Return the header that asks for ``part``; none for the whole file."""
    return {"range": f"bytes={part.start}-{part.stop - 1}"} if part else {}
