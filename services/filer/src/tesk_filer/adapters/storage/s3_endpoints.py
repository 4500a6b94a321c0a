"""Where the requests for a bucket go; pure.

Source:
    AWS documentation, "Methods for accessing a general purpose bucket"; suffixes of
    partitions as in botocore's ``partitions.json``.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from tesk_filer.adapters.storage.http_pool import Origin
from tesk_filer.ports import StorageError

_SUFFIXES = {
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
}
# A dot would make a name that no certificate of the service covers.
_HOST_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_EXPRESS = "--x-s3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """How the service is reached.

    Attributes:
        url: Of the service; "" for AWS.
        virtual_hosts: Whether buckets are host names; None: at AWS alone.
        dualstack: At AWS, by IPv6 too.
        fips: At AWS, by its FIPS 140 endpoints.
    """

    url: str = ""
    virtual_hosts: bool | None = None
    dualstack: bool = False
    fips: bool = False


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """Where a bucket is: ``path`` comes before its keys, percent-encoded."""

    origin: Origin
    path: str


def is_directory_bucket(bucket: str) -> bool:
    """Tell whether a bucket is of S3 Express, by its name.

    Source:
        AWS documentation, "Directory bucket naming rules".
    """
    return bucket.endswith(_EXPRESS)


@lru_cache(maxsize=64)
def locate_bucket(endpoint: Endpoint, bucket: str, region: str) -> BucketPlace:
    """Return where ``bucket`` is reached.

    Raises:
        StorageError: The endpoint is malformed, or of a kind that is not supported.
    """
    if not endpoint.url:
        return _at_aws(endpoint, bucket, region)
    origin, path = _read_url(endpoint.url)
    if endpoint.virtual_hosts:
        host = f"{bucket}.{origin.host}"
        return BucketPlace(Origin(origin.scheme, host, origin.port), path)
    return BucketPlace(origin, f"{path}/{bucket}")


def _at_aws(endpoint: Endpoint, bucket: str, region: str) -> BucketPlace:
    if not re.fullmatch(r"[a-z0-9-]+", region):
        raise StorageError("filer.s3_region is malformed")
    suffix = next(
        (name for start, name in _SUFFIXES.items() if region.startswith(start)),
        "amazonaws.com",
    )
    service = f"s3{'-fips' if endpoint.fips else ''}"
    service += ".dualstack" if endpoint.dualstack else ""
    host = f"{service}.{region}.{suffix}"
    by_host = endpoint.virtual_hosts is not False and _HOST_LABEL.fullmatch(bucket)
    if by_host:
        return BucketPlace(Origin("https", f"{bucket}.{host}"), "")
    return BucketPlace(Origin("https", host), f"/{bucket}")


def _read_url(url: str) -> tuple[Origin, str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in ("http", "https") or parts.username:
        message = (
            "filer.s3_endpoint, or the endpoint of the bucket, is malformed; it is "
            "written https://host:port"
        )
        raise StorageError(message)
    return Origin(parts.scheme, host, port), parts.path.rstrip("/")
