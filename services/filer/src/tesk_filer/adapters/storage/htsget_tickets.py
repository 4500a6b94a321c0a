"""Reads tickets of htsget: where the blocks are that make up a file.

Source:
    GA4GH htsget retrieval API 1.3, "Response".
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from tesk_filer.adapters.storage.json_documents import given_headers, target_of
from tesk_filer.ports import NO_CHECKSUMS, Checksums, Part, StorageError
from tesk_model.locations import Location

_MAX_BLOCKS = 100_000
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")
_MD5 = re.compile(r"[0-9a-fA-F]{32}")
_END = 1 << 62  # after every byte


@dataclass(frozen=True, slots=True)
class Block:
    """Bytes of a file.

    Attributes:
        content: They themselves, if the ticket holds them.
        location: Where they are else.
        headers: To be sent there.
        part: Which of the bytes there; None: all.
    """

    content: bytes = b""
    location: Location | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a file consists of, in order."""

    blocks: Sequence[Block]
    checksums: Checksums = field(default_factory=lambda: NO_CHECKSUMS)


def parse_ticket(document: Mapping[str, Any]) -> Ticket:
    """Return the ticket of a document.

    Raises:
        StorageError: It is none, or leads where htsget may not lead.
    """
    about = document.get("htsget")
    urls = about.get("urls") if isinstance(about, dict) else None
    if not isinstance(about, dict) or not isinstance(urls, list):
        raise StorageError("the server's answer is no ticket of htsget")
    if len(urls) > _MAX_BLOCKS:
        raise StorageError(f"the ticket has more than {_MAX_BLOCKS:,} blocks")
    md5 = about.get("md5")
    known = isinstance(md5, str) and _MD5.fullmatch(md5)
    return Ticket(
        blocks=[_block(each) for each in urls],
        checksums={"md5": str(md5).lower()} if known else NO_CHECKSUMS,
    )


def _block(entry: object) -> Block:
    url = entry.get("url") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(url, str):
        raise StorageError("the ticket has a block without url")
    if url[:5].lower() == "data:":
        return Block(content=_inline(url))
    location = target_of(url)
    if location.scheme != "https":
        raise StorageError("the ticket has a block that is neither https nor data")
    headers = entry.get("headers") or {}
    if not isinstance(headers, dict):
        raise StorageError("leads to a url with headers that cannot be sent")
    given = given_headers(headers)
    wanted = next((name for name in given if name.lower() == "range"), None)
    part = _part(given.pop(wanted)) if wanted else None
    return Block(location=location, headers=given, part=part)


def _part(text: str) -> Part:
    found = _RANGE.fullmatch(text.replace(" ", ""))
    if found is None:
        raise StorageError("the ticket has a block with a Range that is none")
    start, last = int(found[1]), int(found[2]) if found[2] else _END
    if last < start:
        raise StorageError("the ticket has a block with a Range that is none")
    return Part(start, last + 1)


def _inline(url: str) -> bytes:
    """Return the bytes of a ``data:`` url (RFC 2397)."""
    head, comma, body = url.partition(",")
    if not comma:
        raise StorageError("the ticket has a data url that is none")
    data = unquote_to_bytes(body)
    if not head.lower().endswith(";base64"):
        return data
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise StorageError("the ticket has a data url that is none") from error
