"""Reads what Azure lists.

Source:
    Azure Storage REST, "List Blobs".
"""

import base64
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from tesk_filer.adapters.storage.objects import ObjectPage
from tesk_filer.ports import NO_CHECKSUMS, Checksums, Entry, StorageError


def parse_page(document: bytes) -> ObjectPage:
    """Return a page of a listing.

    Raises:
        StorageError: It is not one.
    """
    try:
        # The service is the operator's; expat bounds the growth of entities.
        root = ET.fromstring(document)  # noqa: S314
        return ObjectPage(
            entries=[_entry(blob) for blob in root.iterfind("Blobs/Blob")],
            token=root.findtext("NextMarker") or "",
        )
    except (ET.ParseError, ValueError, LookupError) as error:
        raise StorageError(
            "Azure answers what makes no sense; check the endpoint of the account"
        ) from error


def checksums_of(md5: str) -> Checksums:
    """Return the digests that a base64 MD5 gives; none if it is empty."""
    return {"md5": base64.b64decode(md5, validate=True).hex()} if md5 else NO_CHECKSUMS


def _entry(blob: ET.Element) -> Entry:
    """Return a blob; directories of hierarchical namespaces are listed like files."""
    properties = blob.find("Properties")
    if properties is None:
        raise LookupError("Properties")
    is_folder = (blob.findtext("Metadata/hdi_isfolder") or "").lower() == "true"
    kind = properties.findtext("ResourceType", "file")
    return Entry(
        name=_name(blob),
        size=int(properties.findtext("Content-Length") or 0),
        etag=_quoted(properties.findtext("Etag", "")),
        checksums=checksums_of(properties.findtext("Content-MD5") or ""),
        is_directory=is_folder or kind == "directory",
    )


def _name(blob: ET.Element) -> str:
    found = blob.find("Name")
    if found is None:
        raise LookupError("Name")
    text = found.text or ""
    # What XML cannot hold is percent-encoded.
    return unquote(text) if found.get("Encoded") == "true" else text


def _quoted(etag: str) -> str:
    """Return an ETag as headers write it: listings leave its quotes out."""
    return etag if not etag or etag.startswith('"') else f'"{etag}"'
