"""Which client of S3 a bucket gets."""

import pytest

from fakes.filer_storage import MemoryStorage
from tesk_filer.adapters.storage.s3_buckets import S3Buckets
from tesk_filer.adapters.storage.setting_credentials import SettingCredentials
from tesk_filer.domain.checks import Verdict, WriteFound
from tesk_filer.domain.credentials import S3Account
from tesk_model.locations import Location, parse_location


class Client(MemoryStorage):
    """A client that tells by its checks which one it is."""

    def check_write(self, location: Location) -> WriteFound:
        return WriteFound(Verdict.OK, self.files[location.url].decode())


OWN, SDK = b"by requests of our own", b"by the SDK"
BUCKETS = {
    "a usual bucket": ("data", S3Account(), OWN),
    "a bucket of another service": ("data", S3Account(endpoint="http://m:9000"), OWN),
    "a directory bucket": ("data--usw2-az1--x-s3", S3Account(), SDK),
    "a bucket that the operator gives to it": ("data", S3Account(uses_sdk=True), SDK),
}


@pytest.mark.parametrize(
    ("bucket", "account", "expected"), BUCKETS.values(), ids=BUCKETS
)
def test_a_bucket_gets_the_client_that_speaks_with_its_service(
    bucket: str, account: S3Account, expected: bytes
) -> None:
    location = parse_location(f"s3://{bucket}/a")
    buckets = S3Buckets(
        own=Client(files={location.url: OWN}),
        by_sdk=lambda: Client(files={location.url: SDK}),
        credentials=SettingCredentials(s3=account),
    )

    with buckets.open(location) as reader:
        assert reader.read(100) == expected
    assert buckets.check_write(location).message == expected.decode()
    listed = buckets.list(parse_location(f"s3://{bucket}"))
    assert [(entry.name, entry.size) for entry in listed.entries] == [
        ("a", len(expected))
    ]
