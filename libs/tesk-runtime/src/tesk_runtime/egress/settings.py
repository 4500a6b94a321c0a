"""Declares the settings of egress, which several sections have."""

from typing import Annotated, Literal, Protocol

from msgspec import Meta

from tesk_runtime.egress.policy import EgressPolicy, parse_networks

Rule = Literal["allow", "refuse"]

Loopback = Annotated[
    Rule,
    Meta(
        description="Whether urls may lead to the loopback of the machine, or pod, "
        "that connects. Addresses are checked after names are resolved, and again "
        "after redirects; link-local addresses and metadata services are always "
        "refused. Not for endpoints that the operator configures."
    ),
]
PrivateNetworks = Annotated[
    Rule,
    Meta(
        description="Whether urls may lead to private networks (RFC 1918, "
        "100.64.0.0/10, fc00::/7 and the like)."
    ),
]
AllowedNetworks = Annotated[
    tuple[str, ...],
    Meta(
        description="Networks (`10.1.0.0/16`) to which urls may lead in any case, "
        "separated by `,`. An IPv4 address within one of IPv6 (NAT64, 6to4) is "
        "judged by itself."
    ),
]
RefusedNetworks = Annotated[
    tuple[str, ...],
    Meta(
        description="More networks to which urls may not lead, such as public "
        "addresses of a cluster, separated by `,`."
    ),
]


class EgressSettings(Protocol):
    """A section that has them."""

    @property
    def loopback(self) -> Rule:
        """See ``Loopback``."""

    @property
    def private_networks(self) -> Rule:
        """See ``PrivateNetworks``."""

    @property
    def allowed_networks(self) -> tuple[str, ...]:
        """See ``AllowedNetworks``."""

    @property
    def refused_networks(self) -> tuple[str, ...]:
        """See ``RefusedNetworks``."""


def policy_of(settings: EgressSettings, section: str) -> EgressPolicy:
    """Return which addresses urls may lead to.

    Args:
        settings: The section.
        section: Its name.

    Raises:
        ValueError: A setting is malformed; names it.
    """
    variable = f"TESK_{section.upper()}"
    return EgressPolicy(
        section=section,
        loopback=settings.loopback == "allow",
        private=settings.private_networks == "allow",
        allowed=parse_networks(
            settings.allowed_networks,
            f"{section}.allowed_networks ({variable}_ALLOWED_NETWORKS)",
        ),
        refused=parse_networks(
            settings.refused_networks,
            f"{section}.refused_networks ({variable}_REFUSED_NETWORKS)",
        ),
    )
