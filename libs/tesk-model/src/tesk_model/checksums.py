"""Checksums that a url may ask for.

The fragment of an http url, which is never sent, may say what the file must be:
``https://host/file#sha256=<hex>``; several are joined by ``&``, as in a query.

Source:
    pip and PEP 503 write the digest of a file in this way.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

HASHES: Mapping[str, int] = MappingProxyType(
    {"md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}
)
"""Bytes of the digests by algorithm, as hashlib names them."""
_HEX = re.compile(r"[0-9a-f]*")


def checksums_of(fragment: str) -> dict[str, str]:
    """Return the digests that a fragment asks for: lower-case hex by algorithm.

    Other fragments ask for nothing.
    """
    if not fragment:
        return {}
    pairs = (pair.partition("=") for pair in fragment.split("&"))
    return {
        name.lower(): digest.lower()
        for name, equals, digest in pairs
        if equals and name.lower() in HASHES
    }


def describe_problem(fragment: str) -> str:
    """Return why a fragment cannot be a checksum although it says so; "" if it can."""
    for name, digest in checksums_of(fragment).items():
        length = HASHES[name] * 2
        if len(digest) != length or not _HEX.fullmatch(digest):
            return f"#{name}= must be followed by {length} hexadecimal digits"
    return ""
