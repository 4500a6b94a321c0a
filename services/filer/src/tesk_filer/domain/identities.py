"""Decides by what name of its storage a content is known again.

An identity is equal for equal bytes alone: a name that other bytes could have, too, as
the time of a change, is none.
"""

from collections.abc import Mapping

from tesk_model.locations import Location

STORES = frozenset({"s3", "gs", "az", "abfs", "abfss"})
"""Schemes whose ETags, or generations, are always strong."""

WEB = frozenset({"http", "https"})

DIRECTORY = "directory"
"""Identity of an empty directory, where a storage has some: there is no content."""

_GENERATIONS = frozenset({"gs"})
_DIGEST = "sha256"  # no other that storages have is safe from collisions
_MAX_LENGTH = 512  # servers may send what they like


def has_strong_etag(source: Location, etag: str) -> bool:
    """Tell whether an ETag is that of the bytes.

    Source:
        RFC 9110, 8.8.3: a weak one begins with ``W/``.
    """
    if source.scheme in WEB:
        return etag.startswith('"')
    return source.scheme in STORES and etag != ""


def identity_of(source: Location, *, etag: str, checksums: Mapping[str, str]) -> str:
    """Return kind and value of what a storage names a content by; "" without one.

    Args:
        source: Of the file.
        etag: As the storage says; a generation of ``gs``.
        checksums: By algorithm, likewise.
    """
    found = ""
    if has_strong_etag(source, etag):
        kind = "generation" if source.scheme in _GENERATIONS else "etag"
        found = f"{kind} {etag}"
    elif digest := checksums.get(_DIGEST, ""):
        found = f"{_DIGEST} {digest}"
    return found if len(found) <= _MAX_LENGTH else ""
