"""Where the requests for a bucket go."""

import pytest

from tesk_filer.adapters.storage.http_pool import Origin
from tesk_filer.adapters.storage.s3_endpoints import (
    BucketPlace,
    Endpoint,
    is_directory_bucket,
    locate_bucket,
)
from tesk_filer.ports import StorageError

AWS = Endpoint()
MINIO = "http://minio:9000"
PLACES = {
    "AWS, by the name of the bucket": (
        *(AWS, "data", "eu-west-1"),
        ("https://data.s3.eu-west-1.amazonaws.com", ""),
    ),
    "AWS, a name with dots": (
        *(AWS, "my.data", "eu-west-1"),
        ("https://s3.eu-west-1.amazonaws.com", "/my.data"),
    ),
    "AWS, by path": (
        *(Endpoint(virtual_hosts=False), "data", "us-east-1"),
        ("https://s3.us-east-1.amazonaws.com", "/data"),
    ),
    "AWS in China": (
        *(AWS, "data", "cn-north-1"),
        ("https://data.s3.cn-north-1.amazonaws.com.cn", ""),
    ),
    "AWS by FIPS and IPv6": (
        *(Endpoint(fips=True, dualstack=True), "data", "us-gov-west-1"),
        ("https://data.s3-fips.dualstack.us-gov-west-1.amazonaws.com", ""),
    ),
    "another service": (*(Endpoint(url=MINIO), "data", "r"), (MINIO, "/data")),
    "another service below a path": (
        *(Endpoint(url="https://host/s3/"), "data", "r"),
        ("https://host", "/s3/data"),
    ),
    "another service, by the name of the bucket": (
        *(Endpoint(url=MINIO, virtual_hosts=True), "data", "r"),
        ("http://data.minio:9000", ""),
    ),
    "an address of IPv6": (
        *(Endpoint(url="http://[::1]:9000"), "data", "r"),
        ("http://[::1]:9000", "/data"),
    ),
}


def written(place: BucketPlace) -> tuple[str, str]:
    return f"{place.origin.scheme}://{place.origin.authority}", place.path


@pytest.mark.parametrize(
    ("endpoint", "bucket", "region", "expected"), PLACES.values(), ids=PLACES
)
def test_a_bucket_has_its_place(
    endpoint: Endpoint, bucket: str, region: str, expected: tuple[str, str]
) -> None:
    assert written(locate_bucket(endpoint, bucket, region)) == expected


@pytest.mark.parametrize(
    "url", ["minio:9000", "ftp://minio", "http://", "http://h:99999", "http://u:p@h"]
)
def test_a_malformed_endpoint_names_its_setting(url: str) -> None:
    with pytest.raises(StorageError, match="s3_endpoint") as caught:
        locate_bucket(Endpoint(url=url), "data", "r")

    assert not caught.value.transient


def test_a_region_cannot_lead_to_another_host() -> None:
    with pytest.raises(StorageError, match="s3_region"):
        locate_bucket(AWS, "data", "evil.example.org/")


def test_a_directory_bucket_is_known_by_its_name() -> None:
    assert is_directory_bucket("data--usw2-az1--x-s3")
    assert not is_directory_bucket("data--x-s3-copy")


def test_a_usual_port_is_left_out_of_the_host() -> None:
    assert Origin("https", "h", 443).authority == "h"
    assert Origin("http", "h", 443).authority == "h:443"
