"""The XML of S3; pure.

Source:
    AWS documentation, "Amazon S3 API Reference".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote_plus
from xml.etree import ElementTree as ET

from tesk_filer.adapters.storage.objects import ObjectPage
from tesk_filer.ports import Entry, StorageError


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorMessage:
    """An error as S3 tells it; all are "" if the body is something else."""

    code: str = ""
    message: str = ""
    region: str = ""


def parse_listing(body: bytes) -> ObjectPage:
    """Read the response to ``ListObjectsV2``.

    Raises:
        StorageError: It is none.
    """
    root = _parse(body, "ListBucketResult")
    is_encoded = _text(root, "EncodingType") == "url"
    entries = []
    for item in root:
        if _name(item) != "Contents":
            continue
        values = {_name(child): child.text or "" for child in item}
        key = values.get("Key", "")
        size = values.get("Size", "")
        if not key or not size.isdecimal():
            raise StorageError("S3 lists an object without key or size")
        entries.append(
            Entry(
                name=unquote_plus(key) if is_encoded else key,
                size=int(size),
                etag=values.get("ETag", ""),
            )
        )
    is_truncated = _text(root, "IsTruncated") == "true"
    following = _text(root, "NextContinuationToken") if is_truncated else ""
    if is_truncated and not following:
        raise StorageError("S3 does not say how its listing goes on")
    return ObjectPage(entries=entries, token=following)


def parse_upload_id(body: bytes) -> str:
    """Read the response to ``CreateMultipartUpload``; StorageError if it is none."""
    found = _text(_parse(body, "InitiateMultipartUploadResult"), "UploadId")
    if not found:
        raise StorageError("S3 names no upload")
    return found


def parse_completed(body: bytes) -> str:
    """Return the ETag in the response to ``CompleteMultipartUpload``; "" without one."""
    try:
        root = _parse(body, "CompleteMultipartUploadResult")
    except StorageError:
        return ""  # some services answer with nothing
    return _text(root, "ETag")


def parse_error(body: bytes) -> ErrorMessage:
    """Read the error of a response, as far as it has one."""
    try:
        root = ET.fromstring(body)  # noqa: S314 - expat bounds entities
    except ET.ParseError:
        return ErrorMessage()
    if _name(root) != "Error":
        return ErrorMessage()
    return ErrorMessage(
        code=_text(root, "Code"),
        message=_text(root, "Message"),
        region=_text(root, "Region"),
    )


def format_parts(etags: Sequence[str]) -> bytes:
    """Return the body of ``CompleteMultipartUpload``; parts are numbered from 1."""
    root = ET.Element("CompleteMultipartUpload")
    root.set("xmlns", "http://s3.amazonaws.com/doc/2006-03-01/")
    for number, etag in enumerate(etags, start=1):
        part = ET.SubElement(root, "Part")
        ET.SubElement(part, "PartNumber").text = str(number)
        ET.SubElement(part, "ETag").text = etag
    return ET.tostring(root)


def _parse(body: bytes, name: str) -> ET.Element:
    try:
        root = ET.fromstring(body)  # noqa: S314 - expat bounds entities
    except ET.ParseError as error:
        raise StorageError("the service does not answer as S3 does") from error
    if _name(root) != name:
        raise StorageError("the service does not answer as S3 does")
    return root


def _name(element: ET.Element) -> str:
    """Return the name without its namespace, which services leave out or change."""
    return element.tag.rpartition("}")[2]


def _text(root: ET.Element, name: str) -> str:
    for child in root:
        if _name(child) == name:
            return child.text or ""
    return ""
