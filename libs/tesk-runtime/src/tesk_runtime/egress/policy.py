"""Decides which addresses urls may lead to that users or their services name.

Whoever connects stands where users do not: beside metadata services that hand out the
node's credentials, databases, and the services of TESK. What a name resolves to is
decided here, address by address (server-side request forgery, CWE-918).

Source:
    IANA "IPv4/IPv6 Special-Purpose Address Registry"; RFC 6890, RFC 4291 2.5.5
    (IPv4 within IPv6), RFC 6052 and 8215 (NAT64), RFC 3056 (6to4), RFC 4380 (Teredo). Metadata
    services: AWS (IMDS, ECS, EKS), Azure (also its WireServer), Google, Oracle, Alibaba,
    Scaleway.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from types import MappingProxyType

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class AddressKind(Enum):
    """What an address is; the value completes "its host is …"."""

    METADATA = "a metadata service"
    LINK_LOCAL = "link-local"
    MULTICAST = "a multicast address"
    UNUSABLE = "no address of a host"
    LOOPBACK = "this machine's loopback"
    PRIVATE = "in a private network"
    REFUSED = "in a network of the operator's"


_NETWORKS: Mapping[AddressKind, tuple[Network, ...]] = MappingProxyType(
    {
        kind: tuple(ip_network(each) for each in networks)
        for kind, networks in {
            # First: some lie within a range below.
            AddressKind.METADATA: (
                "169.254.169.254/32",
                "169.254.170.2/32",
                "169.254.170.23/32",
                "168.63.129.16/32",
                "100.100.100.200/32",
                "192.0.0.192/32",
                "fd00:ec2::/32",
                "fd20:ce::254/128",
                "fd00:c1::a9fe:a9fe/128",
                "fd00:42::42/128",
                "fd00:100::100:200/128",
            ),
            AddressKind.LINK_LOCAL: ("169.254.0.0/16", "fe80::/10"),
            AddressKind.MULTICAST: ("224.0.0.0/4", "ff00::/8"),
            AddressKind.UNUSABLE: ("0.0.0.0/8", "240.0.0.0/4", "::/128", "100::/64"),
            AddressKind.LOOPBACK: ("127.0.0.0/8", "::1/128"),
            AddressKind.PRIVATE: (
                "10.0.0.0/8",
                "172.16.0.0/12",
                "192.168.0.0/16",
                "100.64.0.0/10",
                "192.0.0.0/24",
                "198.18.0.0/15",
                "64:ff9b:1::/48",
                "fc00::/7",
                "fec0::/10",
            ),
        }.items()
    }
)
# Networks whose addresses end in one of IPv4, which they lead to.
_ENDING_IN_IPV4 = tuple(
    ip_network(each)
    for each in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")
)
# Where networks choose how long the prefix of their NAT64 is.
_LOCAL_NAT64 = ip_network("64:ff9b:1::/48")
# Bytes of the IPv4 address, by the length of the prefix; byte 8 is none of them.
_NAT64_LAYOUTS = ((6, 7, 9, 10), (7, 9, 10, 11), (9, 10, 11, 12), (12, 13, 14, 15))
_IPV4_BITS = 0xFFFFFFFF
_NAMES: Mapping[str, AddressKind] = MappingProxyType(
    {
        "localhost": AddressKind.LOOPBACK,
        "metadata.google.internal": AddressKind.METADATA,
        "metadata.goog": AddressKind.METADATA,
    }
)
_SETTINGS: Mapping[AddressKind, str] = MappingProxyType(
    {
        AddressKind.LOOPBACK: "loopback",
        AddressKind.PRIVATE: "private_networks",
        AddressKind.REFUSED: "refused_networks",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressPolicy:
    """Which addresses may be connected to.

    Attributes:
        section: Of the settings that decide, for messages.
        loopback: Whether this machine's loopback may.
        private: Whether private networks may.
        allowed: Networks that may in any case; of NAT64 of a network's own, the IPv4
            addresses that it leads to must be allowed as well.
        refused: More networks that may not.
    """

    section: str
    loopback: bool = True
    private: bool = True
    allowed: tuple[Network, ...] = ()
    refused: tuple[Network, ...] = ()

    def problem(self, text: str) -> str | None:
        """Return why the address ``text`` may not be connected to; None if it may.

        Raises:
            ValueError: It is not an address.
        """
        address = ip_address(text.partition("%")[0])
        kinds = map(self._refused_kind, self._judged(address))
        kind = next(filter(None, kinds), None)
        return self._describe(kind) if kind else None

    def problem_of_name(self, host: str) -> str | None:
        """Return why a well-known name may not be connected to; None if it may.

        For hosts that a proxy resolves.
        """
        name = host.lower().rstrip(".")
        kind = _NAMES.get("localhost" if name.endswith(".localhost") else name)
        return self._describe(kind) if kind and self._refuses(kind) else None

    def _judged(self, address: Address) -> Iterator[Address]:
        """Yield what an address leads to, and is not allowed; itself last."""
        within = tuple(_within(address))
        is_allowed = _is_in(address, self.allowed)
        if address in _LOCAL_NAT64:
            # That it is such an address says little: what is behind it counts.
            is_allowed |= any(_is_in(each, self.allowed) for each in within)
        elif is_allowed:
            return
        # Where there are several within it, one that is allowed says nothing of others.
        yield from (each for each in within if not _is_in(each, self.allowed))
        if not is_allowed:
            yield address

    def _refused_kind(self, address: Address) -> AddressKind | None:
        for kind, networks in _NETWORKS.items():
            if _is_in(address, networks):
                if self._refuses(kind):
                    return kind
                break
        return AddressKind.REFUSED if _is_in(address, self.refused) else None

    def _refuses(self, kind: AddressKind) -> bool:
        if kind is AddressKind.LOOPBACK:
            return not self.loopback
        return kind is not AddressKind.PRIVATE or not self.private

    def _describe(self, kind: AddressKind) -> str:
        setting = _SETTINGS.get(kind)
        refusal = (
            f"which {self.section}.{setting} refuses"
            if setting
            else "which is always refused"
        )
        return (
            f"its host is {kind.value}, {refusal}; the operator can name its network in "
            f"{self.section}.allowed_networks"
        )


def parse_networks(texts: Iterable[str], setting: str) -> tuple[Network, ...]:
    """Read networks in CIDR notation, or single addresses.

    Raises:
        ValueError: One is none; names ``setting``.
    """
    networks = []
    for text in texts:
        try:
            networks.append(ip_network(text.strip(), strict=False))
        except ValueError as error:
            message = (
                f'{setting}: "{text}" is not a network; write it as 10.1.0.0/16 or '
                "fd12:3456::/32"
            )
            raise ValueError(message) from error
    return tuple(networks)


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _within(address: Address) -> Iterator[Address]:
    """Yield the IPv4 addresses that an IPv6 address leads to."""
    if not isinstance(address, IPv6Address) or address.packed[:15] == bytes(15):
        return  # among them ``::`` and ``::1``
    if _is_in(address, _ENDING_IN_IPV4):
        yield IPv4Address(int(address) & _IPV4_BITS)
    if address in _LOCAL_NAT64:
        yield from _within_local_nat64(address)
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo


def _within_local_nat64(address: IPv6Address) -> Iterator[IPv4Address]:
    """Yield each IPv4 address that may be meant; only its network knows which one is."""
    for layout in _NAT64_LAYOUTS:
        found = IPv4Address(bytes(address.packed[each] for each in layout))
        kinds = (AddressKind.UNUSABLE, AddressKind.MULTICAST)
        if not any(_is_in(found, _NETWORKS[kind]) for kind in kinds):
            yield found  # else it is read at the wrong place
