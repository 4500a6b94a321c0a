"""Reads the checksums that HTTP servers give with a file.

Source:
    RFC 9530 (``Repr-Digest``), RFC 3230 (``Digest``), RFC 1864 (``Content-MD5``), Google
    Cloud Storage "x-goog-hash".
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple

from tesk_filer.ports import Checksums


class _Algorithm(NamedTuple):
    name: str
    size: int


_ALGORITHMS: Mapping[str, _Algorithm] = MappingProxyType(
    {
        "md5": _Algorithm("md5", 16),
        "sha": _Algorithm("sha1", 20),
        "sha-256": _Algorithm("sha256", 32),
        "sha-512": _Algorithm("sha512", 64),
    }
)
_OF_GOOGLE = MappingProxyType(
    {"md5": _Algorithm("md5", 16), "crc32c": _Algorithm("crc32c", 4)}
)


def checksums_of(response: Any) -> Checksums:
    """Return the digests of the whole file; what cannot be read is left out."""
    headers = response.headers
    found = dict(_read(headers.get("x-goog-hash", ""), _OF_GOOGLE))
    if _is_unpacked(headers):
        found = {}
    # Of the body of this response alone; that of a part has no digest of the file.
    if response.status != HTTPStatus.PARTIAL_CONTENT:
        found.update(_read(f"md5={headers.get('Content-MD5', '')}", _ALGORITHMS))
    found.update(_read(headers.get("Digest", ""), _ALGORITHMS))
    found.update(_read(headers.get("Repr-Digest", ""), _ALGORITHMS))
    return found


def _is_unpacked(headers: Any) -> bool:
    """Tell whether Google sends other bytes than it has a digest of."""
    stored = headers.get("x-goog-stored-content-encoding", "identity")
    return stored not in ("", "identity", headers.get("Content-Encoding", "identity"))


def _read(
    value: str, algorithms: Mapping[str, _Algorithm]
) -> Iterator[tuple[str, str]]:
    """Yield the digests of a list ``name=base64``, with colons in RFC 9530."""
    for item in value.split(","):
        name, _, text = item.strip().partition("=")
        algorithm = algorithms.get(name.strip().lower())
        if algorithm is None:
            continue
        try:
            digest = base64.b64decode(text.strip().strip(":"), validate=True)
        except (binascii.Error, ValueError):
            continue
        if len(digest) == algorithm.size:
            yield algorithm.name, digest.hex()
