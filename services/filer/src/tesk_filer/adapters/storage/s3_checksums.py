"""What S3 says of the content of an object; pure.

Source:
    AWS documentation, "Checking object integrity in Amazon S3": an ETag is the MD5 of
    the content unless it was uploaded in parts or encrypted by keys of KMS or the client.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping

from tesk_filer.ports import Checksums

_MD5 = re.compile(r'"?([0-9a-f]{32})"?')
_KMS = frozenset({"aws:kms", "aws:kms:dsse"})
_ALGORITHMS = ("sha256", "sha1", "crc32c", "crc32", "crc64nvme")


def md5_of_etag(etag: str, headers: Mapping[str, str]) -> str:
    """Return the MD5 that an ETag is; "" if it is none, or may be none."""
    found = _MD5.fullmatch(etag)
    is_other = (
        headers.get("x-amz-server-side-encryption", "") in _KMS
        or "x-amz-server-side-encryption-customer-algorithm" in headers
    )
    return "" if found is None or is_other else found[1]


def etag_of_parts(etags: Iterable[str]) -> str:
    """Return the ETag of an object whose parts have these; "" if they do not tell it."""
    digests = [_MD5.fullmatch(etag) for etag in etags]
    found = [bytes.fromhex(digest[1]) for digest in digests if digest]
    if not found or len(found) < len(digests):
        return ""
    joined = hashlib.md5(b"".join(found), usedforsecurity=False)
    return f"{joined.hexdigest()}-{len(found)}"


def read_checksums(headers: Mapping[str, str]) -> Checksums:
    """Return the digests of an object by the headers of GET or HEAD for all of it."""
    found: dict[str, str] = {}
    md5 = md5_of_etag(headers.get("etag", ""), headers)
    if md5:
        found["md5"] = md5
    if headers.get("x-amz-checksum-type", "FULL_OBJECT") != "FULL_OBJECT":
        return found  # digests of digests
    for algorithm in _ALGORITHMS:
        value = headers.get(f"x-amz-checksum-{algorithm}", "")
        # A digest of the digests of parts ends in their number.
        if value and "-" not in value:
            try:
                found[algorithm] = base64.b64decode(value, validate=True).hex()
            except binascii.Error:
                continue
    return found
