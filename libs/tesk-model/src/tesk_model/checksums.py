"""Checksums that a url may ask for.

The fragment of an http url, which is never sent, may say what the file must be:
``https://host/file#sha256=<hex>``; several are joined by ``&``, as in a query.

Source:
    pip and PEP 503 write the digest of a file in this way.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

HASHES: Mapping[str, int] = MappingProxyType(
    {"md5": 16, "sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64, "crc32c": 4}
)
"""Bytes of the digests by algorithm; all but crc32c as hashlib names them."""
_HEX = re.compile(r"[0-9a-f]*")
# What looks like the digest of an algorithm; none of hashlib's is shorter.
_DIGEST = re.compile(r"(?:[0-9a-f]{2}){16,64}")


def checksums_of(fragment: str) -> dict[str, str]:
    """Return the digests that a fragment asks for: lower-case hex by algorithm.

    Other fragments ask for nothing.
    """
    return {name: digest for name, digest in _pairs(fragment) if name in HASHES}


def describe_problem(fragment: str) -> str:
    """Return why a fragment cannot be a checksum although it says so; "" if it can."""
    for name, digest in _pairs(fragment):
        if name not in HASHES:
            if _DIGEST.fullmatch(digest):
                known = ", ".join(HASHES)
                return f"#{name[:32]}= is none of the checksums that are known: {known}"
            continue
        length = HASHES[name] * 2
        if len(digest) != length or not _HEX.fullmatch(digest):
            return f"#{name}= must be followed by {length} hexadecimal digits"
    return ""


def _pairs(fragment: str) -> Iterator[tuple[str, str]]:
    for pair in fragment.split("&") if fragment else ():
        name, equals, digest = pair.partition("=")
        if equals:
            yield name.lower(), digest.lower()
