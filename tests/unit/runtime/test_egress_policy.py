"""Which addresses the urls of tasks may lead to."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_runtime.egress.policy import EgressPolicy, parse_networks

OPEN = EgressPolicy(section="filer")
SHUT = EgressPolicy(section="filer", loopback=False, private=False)
NAT64 = "64:ff9b:1::/48"

ALWAYS_REFUSED = {
    "metadata of AWS, Azure, Google": ("169.254.169.254", "a metadata service"),
    "credentials of ECS": ("169.254.170.2", "a metadata service"),
    "credentials of EKS": ("169.254.170.23", "a metadata service"),
    "metadata of AWS by IPv6": ("fd00:ec2::254", "a metadata service"),
    "credentials of EKS by IPv6": ("fd00:ec2::23", "a metadata service"),
    "metadata of Google by IPv6": ("fd20:ce::254", "a metadata service"),
    "metadata of Oracle by IPv6": ("fd00:c1::a9fe:a9fe", "a metadata service"),
    "metadata of Scaleway by IPv6": ("fd00:42::42", "a metadata service"),
    "metadata of Alibaba by IPv6": ("fd00:100::100:200", "a metadata service"),
    "metadata of Alibaba": ("100.100.100.200", "a metadata service"),
    "metadata of Oracle": ("192.0.0.192", "a metadata service"),
    "WireServer of Azure": ("168.63.129.16", "a metadata service"),
    "metadata within IPv6": ("::ffff:169.254.169.254", "a metadata service"),
    "metadata through NAT64": ("64:ff9b::a9fe:a9fe", "a metadata service"),
    "metadata through NAT64 of a network's own": (
        "64:ff9b:1::a9fe:a9fe",
        "a metadata service",
    ),
    "metadata through such, whose prefix has 96 bits": (
        "64:ff9b:1:8000::a9fe:a9fe",
        "a metadata service",
    ),
    "metadata through such, whose prefix has 48 bits": (
        "64:ff9b:1:a9fe:a9:fe00::1",
        "a metadata service",
    ),
    "metadata through such, whose prefix has 56 bits": (
        "64:ff9b:1:1a9:fe:a9fe::",
        "a metadata service",
    ),
    "metadata through such, whose prefix has 64 bits": (
        "64:ff9b:1:1:a9:fea9:fe00:0",
        "a metadata service",
    ),
    "metadata through 6to4": ("2002:a9fe:a9fe::1", "a metadata service"),
    "metadata in an old form": ("::169.254.169.254", "a metadata service"),
    "any link-local address": ("169.254.1.1", "link-local"),
    "link-local by IPv6": ("fe80::1", "link-local"),
    "link-local with its interface": ("fe80::1%eth0", "link-local"),
    "this host": ("0.0.0.0", "no address of a host"),
    "this network": ("0.1.2.3", "no address of a host"),
    "this host by IPv6": ("::", "no address of a host"),
    "this host within IPv6": ("::ffff:0.0.0.0", "no address of a host"),
    "broadcast": ("255.255.255.255", "no address of a host"),
    "multicast": ("224.0.0.1", "a multicast address"),
    "multicast by IPv6": ("ff02::1", "a multicast address"),
}
BY_SETTING = {
    "loopback": ("127.0.0.1", "filer.loopback"),
    "all of loopback": ("127.8.9.10", "filer.loopback"),
    "loopback by IPv6": ("::1", "filer.loopback"),
    "loopback within IPv6": ("::ffff:127.0.0.1", "filer.loopback"),
    "private, ten": ("10.1.2.3", "filer.private_networks"),
    "private, 172.16": ("172.31.255.255", "filer.private_networks"),
    "private, 192.168": ("192.168.1.1", "filer.private_networks"),
    "private, of carriers": ("100.64.0.1", "filer.private_networks"),
    "private by IPv6": ("fd12:3456::1", "filer.private_networks"),
    "private within IPv6": ("::ffff:10.1.2.3", "filer.private_networks"),
    "public through NAT64 of a network's own": (
        "64:ff9b:1:ffff::5db8:d70e",
        "filer.private_networks",
    ),
    "private through NAT64": ("64:ff9b::a01:203", "filer.private_networks"),
}
PUBLIC = {
    "IPv4": "93.184.215.14",
    "beside a private network": "172.32.0.1",
    "IPv6": "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
    "IPv4 within IPv6": "::ffff:93.184.215.14",
    "IPv4 through NAT64": "64:ff9b::5db8:d70e",
}


@pytest.mark.parametrize(
    ("address", "what"), ALWAYS_REFUSED.values(), ids=ALWAYS_REFUSED
)
def test_is_refused_whatever_is_set(address: str, what: str) -> None:
    for policy in (OPEN, SHUT):
        problem = policy.problem(address)

        assert problem is not None
        assert what in problem
        assert "filer.allowed_networks" in problem


@pytest.mark.parametrize(("address", "setting"), BY_SETTING.values(), ids=BY_SETTING)
def test_is_refused_by_a_setting_that_the_refusal_names(
    address: str, setting: str
) -> None:
    assert OPEN.problem(address) is None
    assert setting in (SHUT.problem(address) or "")


@pytest.mark.parametrize("address", PUBLIC.values(), ids=PUBLIC)
def test_the_internet_is_reached(address: str) -> None:
    assert SHUT.problem(address) is None


def test_what_is_listed_is_allowed_and_its_neighbour_is_not() -> None:
    policy = EgressPolicy(
        section="filer",
        loopback=False,
        private=False,
        allowed=(ip_network("10.1.0.0/16"),),
    )

    assert policy.problem("10.1.255.255") is None
    assert policy.problem("::ffff:10.1.0.1") is None
    assert policy.problem("10.2.0.1")


def test_one_way_to_read_an_address_does_not_open_another() -> None:
    policy = EgressPolicy(section="filer", allowed=(ip_network("10.1.0.0/16"),))
    # 169.254.169.254 after a prefix of 48 bits, 10.1.0.1 after one of 96.
    address = "64:ff9b:1:a9fe:a9:fe00:a01:1"

    assert "a metadata service" in (policy.problem(address) or "")


THROUGH_ITS_OWN_NAT64 = {
    "what is allowed by IPv4": ("64:ff9b:1::10.1.2.3", "10.0.0.0/8", ""),
    "its neighbour": ("64:ff9b:1::172.16.2.3", "10.0.0.0/8", "private_networks"),
    "the internet, if it is allowed": ("64:ff9b:1::93.184.215.14", NAT64, ""),
    "what is private there": ("64:ff9b:1::10.1.2.3", NAT64, "private_networks"),
    "metadata": ("64:ff9b:1::169.254.169.254", NAT64, "a metadata service"),
}


@pytest.mark.parametrize(
    ("address", "allowed", "want"),
    THROUGH_ITS_OWN_NAT64.values(),
    ids=THROUGH_ITS_OWN_NAT64,
)
def test_what_is_behind_nat64_of_a_networks_own_is_judged_by_its_ipv4(
    address: str, allowed: str, want: str
) -> None:
    policy = replace(SHUT, allowed=(ip_network(allowed),))

    problem = policy.problem(address)

    assert want in (problem or "")
    assert bool(problem) == bool(want)


def test_a_public_network_can_be_refused() -> None:
    policy = EgressPolicy(
        section="filer", refused=parse_networks(["93.184.0.0/16"], "a")
    )

    assert "filer.refused_networks refuses" in (policy.problem("93.184.215.14") or "")
    assert policy.problem("93.185.0.1") is None


NAMES = {
    "of loopback": ("localhost", True),
    "below loopback": ("a.LocalHost.", True),
    "of a metadata service": ("metadata.google.internal", False),
}


@pytest.mark.parametrize(("name", "by_setting"), NAMES.values(), ids=NAMES)
def test_a_well_known_name_is_refused_as_its_address(
    name: str, *, by_setting: bool
) -> None:
    assert SHUT.problem_of_name(name)
    assert (OPEN.problem_of_name(name) is None) == by_setting
    assert SHUT.problem_of_name(f"{name.rstrip('.')}.example.org") is None


@pytest.mark.parametrize("text", ["10.0.0/8", "ten", "10.0.0.0/33", ""])
def test_what_is_no_network_is_said_with_its_setting(text: str) -> None:
    with pytest.raises(ValueError, match=r"filer\.allowed_networks: .*10\.1\.0\.0/16"):
        parse_networks([text], "filer.allowed_networks")


@given(st.ip_addresses(v=4))
def test_an_address_is_refused_in_every_form_of_ipv6_that_leads_to_it(
    address: IPv4Address,
) -> None:
    whole = int(address)
    forms = [
        IPv6Address((0xFFFF << 32) | whole),
        IPv6Address((0x64FF9B << 96) | whole),
        IPv6Address((0x2002 << 112) | (whole << 80) | 1),
    ]

    for form in forms:
        refused = SHUT.problem(str(form)) is not None
        assert refused or SHUT.problem(str(address)) is None


@given(st.ip_addresses())
def test_nothing_that_is_not_global_is_reached(
    address: IPv4Address | IPv6Address,
) -> None:
    if SHUT.problem(str(address)) is None:
        assert not any(
            (
                address.is_loopback,
                address.is_link_local,
                address.is_multicast,
                address.is_unspecified,
                address in ip_network("10.0.0.0/8"),
                address in ip_network("fc00::/7"),
            )
        )
    allowing = EgressPolicy(section="filer", allowed=(ip_network(address),))
    # Of what is behind NAT64 of a network's own, that is not all that counts.
    assert allowing.problem(str(address)) is None or address in ip_network(NAT64)


def test_a_text_that_is_no_address_is_not_judged() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        OPEN.problem("localhost")
