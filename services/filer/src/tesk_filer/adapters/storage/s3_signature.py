"""Signatures of requests to S3; pure.

Our own, since botocore's costs more than all else of a small file: its import as much
as a whole start of the filer, and each signature ten times as much. The tests compare
the two.

Source:
    AWS documentation, "Authenticating Requests (AWS Signature Version 4)".
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from tesk_filer.domain.credentials import S3Keys

_ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
"""In place of the SHA-256 of a body, where TLS protects it."""


def encode_key(key: str) -> str:
    """Return a key as it stands in urls; its slashes stay."""
    return quote(key.encode(), safe="/")


def encode_query(query: Mapping[str, str]) -> str:
    """Return a query as it is signed: in order, all but unreserved characters encoded."""
    pairs = sorted((quote(n, safe=""), quote(v, safe="")) for n, v in query.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    """What a signature covers.

    Attributes:
        path: Percent-encoded.
        query: As ``encode_query`` gives it.
        headers: Names in lower case; all are signed.
        content: SHA-256 of the body in hex, or ``UNSIGNED``.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    content: str


@dataclass(slots=True)
class Signer:
    """Signs requests; keeps what it derived last. Thread-safe."""

    _derived: tuple[tuple[str, str, str], bytes] | None = field(
        default=None, repr=False
    )
    _instant: tuple[datetime, str] | None = None

    def sign(
        self, request: Unsigned, keys: S3Keys, *, region: str, now: datetime
    ) -> dict[str, str]:
        """Return the headers of ``request`` with those that sign it."""
        instant = self._written(now)
        day = instant[:8]
        headers = {
            **request.headers,
            "x-amz-content-sha256": request.content,
            "x-amz-date": instant,
        }
        if keys.session_token:
            headers["x-amz-security-token"] = keys.session_token
        names = sorted(headers)
        signed = ";".join(names)
        lines = [request.method, request.path, request.query]
        # Runs of spaces count as one.
        lines.extend(f"{name}:{' '.join(headers[name].split())}" for name in names)
        lines.extend(("", signed, request.content))
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        scope = f"{day}/{region}/s3/aws4_request"
        text = f"{_ALGORITHM}\n{instant}\n{scope}\n{digest}"
        key = self._key(keys.secret_key, day, region)
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        headers["authorization"] = (
            f"{_ALGORITHM} Credential={keys.access_key}/{scope}, "
            f"SignedHeaders={signed}, Signature={signature}"
        )
        return headers

    def _written(self, now: datetime) -> str:
        second = now.replace(microsecond=0)
        instant = self._instant
        if instant is None or instant[0] != second:
            self._instant = instant = (second, second.strftime("%Y%m%dT%H%M%SZ"))
        return instant[1]

    def _key(self, secret: str, day: str, region: str) -> bytes:
        origin = (secret, day, region)
        derived = self._derived
        if derived is None or derived[0] != origin:
            key = f"AWS4{secret}".encode()
            for step in (day, region, "s3", "aws4_request"):
                key = hmac.digest(key, step.encode(), "sha256")
            self._derived = derived = (origin, key)
        return derived[1]
