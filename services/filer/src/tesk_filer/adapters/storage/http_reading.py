"""Reads files of HTTP servers, and knows when they have changed.

A strong ETag tells versions apart, or else the time of the last change, if the server
sent the file at least a second later (RFC 9110, 8.8.2.2), with the size beside it.
"""

from datetime import timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from tesk_filer.adapters.storage.http_digests import checksums_of
from tesk_filer.adapters.storage.http_errors import whole_length_of
from tesk_filer.adapters.storage.http_response import HttpResponse
from tesk_filer.ports import ChangedError, Part, Stat

# What stays in the cache of a processor; a mebibyte costs twice the time.
_BLOCK = 256 * 1024
_CLEARLY_LATER = timedelta(seconds=1)


def conditions(known: Stat | None, part: Part | None) -> dict[str, str]:
    """Return the headers that ask for ``part`` of what is ``known``, and no other."""
    wanted = {}
    if part:
        wanted["Range"] = f"bytes={part.start}-{part.stop - 1}"
    if known and _is_tag(known.etag):
        wanted["If-Match"] = known.etag
    elif known and known.etag and not _is_weak(known.etag):
        wanted["If-Unmodified-Since"] = known.etag
    return wanted


def check_unchanged(response: Any, known: Stat) -> None:
    """Raise ChangedError if a response may be of another version than ``known``.

    A part tells its ETag if the whole has one (RFC 9110, 15.3.7): one that tells none
    may be of any version.
    """
    tag = _tag_of(response)
    is_part = response.status == HTTPStatus.PARTIAL_CONTENT
    if _is_tag(known.etag) or _is_weak(known.etag):
        unknown = () if is_part and _is_tag(known.etag) else ("",)
        is_other = tag not in (known.etag, *unknown)
    else:
        modified = response.headers.get("Last-Modified", "")
        is_other = bool(known.etag) and modified not in ("", known.etag)
    size = whole_length_of(response)
    if is_other or (None not in (size, known.size) and size != known.size):
        raise ChangedError


def has_end(response: Any) -> bool:
    """Tell whether it shows where the body ends, beside the end of the connection."""
    return (
        response.status == HTTPStatus.PARTIAL_CONTENT
        or "Transfer-Encoding" in response.headers
        or whole_length_of(response) is not None
    )


def version_of(response: Any) -> str:
    """Return what tells the version of the file, for ``Stat.etag``."""
    tag = _tag_of(response)
    if _is_tag(tag):
        return tag
    modified: str = response.headers.get("Last-Modified", "")
    try:
        sent = parsedate_to_datetime(response.headers.get("Date", ""))
        if sent - parsedate_to_datetime(modified) >= _CLEARLY_LATER:
            return modified
    except (TypeError, ValueError, OverflowError):
        pass
    return tag


class Download:
    """A file that is downloaded; satisfies ``Reader``, ``Skips`` and ``Redirects``."""

    executable = False
    descriptor = None

    def __init__(
        self,
        response: HttpResponse,
        part: Part | None,
        size: int | None = None,
        *,
        is_private: bool = False,
    ) -> None:
        """Read the body of ``response``, from the beginning of ``part`` on.

        Args:
            response: Carries the file, or ``part`` of it.
            part: Which alone is wanted.
            size: Of the whole file, where the response does not tell it.
            is_private: See ``Stat``.
        """
        self._response = response
        self.is_private = is_private
        is_part = response.status == HTTPStatus.PARTIAL_CONTENT
        announced = whole_length_of(response)
        self.size = size if announced is None else announced
        self.etag = version_of(response)
        self.checksums = checksums_of(response)
        ranges = response.headers.get("Accept-Ranges", "").strip().lower()
        self.has_parts = (
            (is_part or ranges == "bytes")
            and self.size is not None
            and bool(self.etag)
            and not _is_weak(self.etag)
        )
        self._left = part.stop - part.start if part else None
        # The server does not support ranges, whatever it says.
        self.skips = part.start if part and not is_part else 0

    def read(self, size: int) -> bytes:
        """See ``Reader``."""
        while self.skips:
            self.skips -= len(self._receive(self.skips)) or self.skips
        if self._left is None:
            return self._receive(size)
        data = self._receive(min(size, self._left)) if self._left else b""
        self._left -= len(data)
        return data

    def _receive(self, size: int) -> bytes:
        return self._response.read(min(size, _BLOCK))


def _tag_of(response: Any) -> str:
    tag: str = response.headers.get("ETag", "")
    return tag


def _is_tag(etag: str) -> bool:
    return etag.startswith('"')


def _is_weak(etag: str) -> bool:
    return etag.startswith("W/")
