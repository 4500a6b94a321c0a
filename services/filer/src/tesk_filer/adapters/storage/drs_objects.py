"""Reads objects of DRS: what they are, where their bytes are, what is in them.

Source:
    GA4GH Data Repository Service 1.4, "DrsObject", "AccessMethod", "ContentsObject".
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from tesk_filer.adapters.storage.json_documents import given_headers, target_of
from tesk_filer.ports import NO_CHECKSUMS, Checksums, StorageError
from tesk_model.checksums import HASHES
from tesk_model.locations import Location

# In order of preference: what needs no other credentials comes first. Not ``file``,
# which would be one of this machine.
_SCHEMES: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "https": ("https", "http"),
        "s3": ("s3",),
        "gs": ("gs",),
        "ftp": ("ftp", "ftps"),
        "htsget": ("htsget",),
    }
)
_HEX = re.compile(r"[0-9a-f]+")
_MAX_SIZE = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where the bytes of an object are.

    Attributes:
        headers: To be sent there.
    """

    location: Location
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A way to the bytes.

    Attributes:
        scheme: A key of what DRS calls types.
        url: What the object says of it; None: ``access_id`` is to be asked for.
    """

    scheme: str
    url: Any
    access_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is in a bundle.

    Attributes:
        id: At the server of the bundle; "" if ``uri`` names it.
        uri: A url of drs; "" if there is none.
    """

    name: str
    id: str
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DrsObject:
    """A file, or a bundle if it has contents."""

    size: int | None
    checksums: Checksums
    methods: Sequence[Method]
    contents: Sequence[Content]


def parse_object(document: Mapping[str, Any]) -> DrsObject:
    """Return the object of a document; what is not as DRS says is left out."""
    size = document.get("size")
    return DrsObject(
        size=size if isinstance(size, int) and 0 <= size <= _MAX_SIZE else None,
        checksums=dict(_checksums(document)) or NO_CHECKSUMS,
        methods=sorted(_methods(document), key=_preference),
        contents=list(_contents(document)),
    )


def parse_access(document: object, scheme: str) -> Access:
    """Return where an ``AccessURL`` leads, which is said to be of a type of DRS.

    Raises:
        StorageError: It leads elsewhere, or is none.
    """
    if not isinstance(document, dict):
        raise StorageError("the server says no url of the object's bytes")
    location = target_of(document.get("url"))
    if location.scheme not in _SCHEMES[scheme]:
        message = f"the bytes are said to be at {scheme}, and are at {location.scheme}"
        raise StorageError(message)
    pairs = {}
    for line in _list(document.get("headers")):
        name, colon, value = str(line).partition(":")
        if colon:
            pairs[name.strip()] = value.strip()
    headers = given_headers(pairs)
    if headers and location.scheme != "https":
        raise StorageError("leads to a url with headers that cannot be sent")
    return Access(location=location, headers=headers)


def _checksums(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for each in _objects(document.get("checksums")):
        # IANA writes sha-256, others sha256 or sha_256.
        name = re.sub("[-_]", "", str(each.get("type", "")).lower())
        if name in HASHES:
            digest = _hex_of(str(each.get("checksum", "")), HASHES[name])
            if digest:
                yield name, digest


def _hex_of(digest: str, size: int) -> str:
    """Return a digest of ``size`` bytes in hex, which may be in base64; "" if none."""
    if len(digest) == size * 2 and _HEX.fullmatch(digest.lower()):
        return digest.lower()
    try:
        found = base64.b64decode(digest, validate=True)
    except ValueError:
        return ""
    return found.hex() if len(found) == size else ""


def _methods(document: Mapping[str, Any]) -> Iterator[Method]:
    for each in _objects(document.get("access_methods")):
        scheme, access_id = str(each.get("type")), each.get("access_id")
        url = each.get("access_url")
        if scheme in _SCHEMES and (url or access_id):
            yield Method(scheme=scheme, url=url, access_id=str(access_id or ""))


def _preference(method: Method) -> int:
    return list(_SCHEMES).index(method.scheme)


def _contents(document: Mapping[str, Any]) -> Iterator[Content]:
    for each in _objects(document.get("contents")):
        uris = [uri for uri in _list(each.get("drs_uri")) if isinstance(uri, str)]
        yield Content(
            name=str(each.get("name", "")),
            id=str(each.get("id") or ""),
            uri=uris[0] if uris else "",
        )


def _objects(value: object) -> Iterator[dict[str, Any]]:
    return (each for each in _list(value) if isinstance(each, dict))


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
