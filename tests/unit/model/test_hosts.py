"""Host names are parsed, and this machine is recognized."""

import pytest

from tesk_model.hosts import host_of, is_address, is_loopback

LOOPBACKS = {"127.0.0.1": True, "127.9.9.9": True, "::1": True, "localhost": True}
LOOPBACKS |= {"0.0.0.0": False, "::": False, "10.1.2.3": False, "example.org": False}


@pytest.mark.parametrize(("host", "want"), LOOPBACKS.items(), ids=list(LOOPBACKS))
def test_loopback_is_known(host: str, want: bool) -> None:
    assert is_loopback(host) is want


AUTHORITIES = {
    "a name": ("Tes.Example.org", "tes.example.org"),
    "a name with its root": ("localhost.:80", "localhost"),
    "a port": ("localhost:8080", "localhost"),
    "IPv4": ("127.0.0.1:8080", "127.0.0.1"),
    "IPv6": ("[::1]:8080", "::1"),
    "a user is no host": ("localhost@evil.example", "localhost@evil.example"),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("authority", "want"), AUTHORITIES.values(), ids=AUTHORITIES)
def test_the_host_of_an_authority(authority: str, want: str) -> None:
    assert host_of(authority) == want


def test_addresses_are_told_from_names() -> None:
    assert is_address("10.0.0.1")
    assert is_address("fe80::1")
    assert not is_address("10.0.0.1.example.org")
