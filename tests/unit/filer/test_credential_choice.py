"""Which credential a url is used with."""

import pytest

from tesk_filer.adapters.storage.setting_credentials import SettingCredentials
from tesk_filer.domain.credentials import (
    BearerToken,
    Credential,
    Login,
    PrivateKey,
    S3Account,
    with_login_of,
)
from tesk_model.locations import parse_location

ADA = Login(user="ada", password="p")
KEY = PrivateKey(user="ada", key="k")
TOKEN = BearerToken(token="t")

CHOICES: dict[str, tuple[str, Credential | None, Credential | None]] = {
    "the url has none": ("ftp://h/a", ADA, ADA),
    "the url has none, nor has the operator": ("ftp://h/a", None, None),
    "the url has its own": ("ftp://bob:q@h/a", ADA, Login(user="bob", password="q")),
    "the url has its own user": ("ftp://bob@h/a", ADA, Login(user="bob", password="")),
    "the url has the operator's user": ("ftp://ada@h/a", ADA, ADA),
    "the url has the user of a key": ("ftp://ada@h/a", KEY, KEY),
    "the url has an empty password": (
        "ftp://ada:@h/a",
        ADA,
        Login(user="ada", password=""),
    ),
    "the url has a password alone": (
        "https://:q@h/a",
        TOKEN,
        Login(user="", password="q"),
    ),
    "the url has an empty user": ("https://@h/a", TOKEN, TOKEN),
}


@pytest.mark.parametrize(("url", "found", "want"), CHOICES.values(), ids=CHOICES)
def test_the_login_of_the_url_comes_first(
    url: str, found: Credential | None, want: Credential | None
) -> None:
    assert with_login_of(parse_location(url), found) == want


SERVICE = S3Account(endpoint="https://s3.example")
SETTINGS = SettingCredentials(logins={"h": ADA}, s3=SERVICE)
SETTING_CASES: dict[str, tuple[str, Credential | None]] = {
    "the host is known": ("https://h/a", ADA),
    "in any case of letters, at any port": ("ftp://H:2121/a", ADA),
    "the host is not known": ("https://other/a", None),
    "a bucket is no host": ("s3://h/a", SERVICE),
    "a path has no host": ("/h", None),
}


@pytest.mark.parametrize(("url", "want"), SETTING_CASES.values(), ids=SETTING_CASES)
def test_settings_give_logins_to_hosts_and_one_account_to_buckets(
    url: str, want: Credential | None
) -> None:
    assert SETTINGS.find(parse_location(url)) == want
