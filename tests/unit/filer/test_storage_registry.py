"""Each scheme of the table is served by the module that it names."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fakes.filer_credentials import FixedCredentials
from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.adapters.storage.registry import StorageRegistry
from tesk_filer.adapters.storage.setting_credentials import SettingCredentials
from tesk_filer.adapters.storage.storage_config import (
    FileAccess,
    StorageConfig,
    Timeouts,
)
from tesk_filer.domain.credentials import AzureAccount, Credential, Login
from tesk_filer.ports import StorageError
from tesk_filer.usecases.checks import ChecksWrites
from tesk_model.locations import parse_location
from tesk_model.schemes import SCHEMES
from tesk_model.url_lists import parse_url_lists
from tesk_runtime.egress.policy import EgressPolicy
from tesk_runtime.protected_paths import ProtectedPaths

SITE = StorageConfig(
    timeouts=Timeouts(connect=timedelta(seconds=1), stall=timedelta(seconds=1)),
    connections=1,
    credentials=SettingCredentials(),
    egress=Egress(EgressPolicy(section="filer")),
    files=FileAccess(
        roots=(),
        read_roots=(),
        shared_prefix="",
        shared_path="",
        protected=ProtectedPaths,
    ),
)


@pytest.mark.parametrize("name", SCHEMES)
def test_every_scheme_has_a_storage_that_is_opened_once(name: str) -> None:
    choice = StorageRegistry(SITE)
    hosts = {"file": "", "abfs": "c@h", "abfss": "c@h"}
    location = parse_location(f"{name}://{hosts.get(name, 'h')}/a")

    storage = choice.of(location)

    assert choice.of(location.below("b")) is storage


CHECKED = ("file", "s3", "gs", "az", "abfs", "ftp", "ftps", "sftp", "webhdfs", "hdfs")


@pytest.mark.parametrize("name", CHECKED)
def test_a_storage_tells_whether_a_file_could_be_written(name: str) -> None:
    hosts = {"file": "", "abfs": "c@h"}
    location = parse_location(f"{name}://{hosts.get(name, 'h')}/a")

    assert isinstance(StorageRegistry(SITE).of(location), ChecksWrites)


BLOB = "https://account.blob.core.windows.net/container/blob"
BLOBS = {
    "an account is known": (AzureAccount(key="a2V5"), BLOB, "az://c/a"),
    "none is known": (None, BLOB, "https://h/a"),
    "a login is known": (Login(user="ada", password="p"), BLOB, "https://h/a"),
    "a checksum is wanted": (
        AzureAccount(key="a2V5"),
        f"{BLOB}#sha256={'0' * 64}",
        "az://c/a",
    ),
    "the url is signed": (AzureAccount(key="a2V5"), f"{BLOB}?sig=s", "https://h/a?b"),
}


@pytest.mark.parametrize(("known", "url", "like"), BLOBS.values(), ids=BLOBS)
def test_a_url_of_a_blob_is_azures_if_its_account_is_known(
    known: Credential | None, url: str, like: str
) -> None:
    choice = StorageRegistry(replace(SITE, credentials=FixedCredentials(known)))

    assert choice.of(parse_location(url)) is choice.of(parse_location(like))


def test_a_url_that_the_lists_refuse_has_no_storage() -> None:
    urls = parse_url_lists(("s3://bucket",), ())
    choice = StorageRegistry(
        replace(SITE, egress=Egress(EgressPolicy(section="filer"), urls=urls))
    )

    choice.of(parse_location("s3://bucket/a"))
    with pytest.raises(StorageError, match=r"none of urls\.allow") as caught:
        choice.of(parse_location("s3://other/a"))

    assert not caught.value.transient
