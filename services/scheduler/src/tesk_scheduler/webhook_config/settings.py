"""Defines the settings of webhooks."""

from datetime import timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tesk_model.backoff import Backoff
from tesk_runtime.egress.settings import (
    AllowedNetworks,
    Loopback,
    PrivateNetworks,
    RefusedNetworks,
)
from tesk_scheduler.domain.webhooks.deliveries import DeliveryRules
from tesk_scheduler.ports.webhooks import Bounds

_FIRST_PAUSE = timedelta(seconds=2)


class WebhookSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """Webhooks: receivers that are told of the states of tasks (docs/webhooks.md)."""

    file: Annotated[
        str,
        Meta(
            description="File (YAML) with the receivers; it is read again when it "
            "changes (docs/webhooks.md). Empty: no webhooks."
        ),
    ] = ""
    secrets: Annotated[
        str,
        Meta(
            description="Folder with the secrets that events are signed with, a file "
            "each; they are read for each event, so that they can be replaced."
        ),
    ] = ""
    source: Annotated[
        str,
        Meta(
            description="The `source` of events, which names this installation: a url, "
            "or a part of one.",
            min_length=1,
            max_length=512,
            pattern=r"^[!-~]+$",
        ),
    ] = "/ga4gh/tes/v1/tasks"
    plain_http: Annotated[
        Literal["allow", "refuse"],
        Meta(
            description="Whether receivers may have urls by http. Events are signed, "
            "but everybody on the way can read them."
        ),
    ] = "refuse"
    ca: Annotated[
        str,
        Meta(
            description="File with certificates (PEM) of the only authorities that are "
            "trusted to sign those of receivers. Empty: those of the system."
        ),
    ] = ""
    loopback: Loopback = "refuse"
    private_networks: PrivateNetworks = "refuse"
    allowed_networks: AllowedNetworks = ()
    refused_networks: RefusedNetworks = ()
    timeout: Annotated[
        timedelta,
        Meta(
            description="Seconds within which a receiver must have answered, from the "
            "beginning of the connection on."
        ),
    ] = timedelta(seconds=10)
    parallel: Annotated[
        int,
        Meta(description="Events that are sent at once.", ge=1, le=256),
    ] = 16
    max_tries: Annotated[
        int,
        Meta(
            description="How often an event is sent to a receiver that does not accept "
            "it; then it is a dead letter.",
            ge=1,
            le=1000,
        ),
    ] = 20
    max_age: Annotated[
        timedelta,
        Meta(
            description="Seconds after which an event that no receiver accepted is a "
            "dead letter."
        ),
    ] = timedelta(days=3)
    longest_pause: Annotated[
        timedelta,
        Meta(
            description="Longest pause, in seconds, before an event is sent again; the "
            "first is 2 s, and each is twice the one before, less a random part."
        ),
    ] = timedelta(minutes=10)
    max_pending: Annotated[
        int,
        Meta(
            description="Events that wait for one receiver; beyond that the oldest "
            "become dead letters.",
            ge=1,
        ),
    ] = 100_000
    max_dead: Annotated[
        int,
        Meta(
            description="Dead letters that are kept; beyond that the oldest are deleted.",
            ge=1,
        ),
    ] = 10_000
    keep_dead: Annotated[
        timedelta,
        Meta(description="Seconds for which dead letters are kept."),
    ] = timedelta(days=30)

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: The message names the setting below ``webhooks``.
        """
        for name in ("timeout", "max_age", "longest_pause", "keep_dead"):
            if getattr(self, name) <= timedelta():
                raise ValueError(f"{name}: must be more than 0")
        if self.file and not self.secrets:
            raise ValueError("secrets: must name the folder with the secrets of file")


def delivery_rules(settings: WebhookSettings) -> DeliveryRules:
    """Return when to try again, and when to give up."""
    return DeliveryRules(
        backoff=Backoff(first=_FIRST_PAUSE, longest=settings.longest_pause),
        max_tries=settings.max_tries,
        max_age=settings.max_age,
    )


def bounds_of(settings: WebhookSettings) -> Bounds:
    """Return how much is kept."""
    return Bounds(
        pending=settings.max_pending,
        dead=settings.max_dead,
        max_age=settings.max_age,
        keep_dead=settings.keep_dead,
    )
