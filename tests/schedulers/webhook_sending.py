"""Sends one event of a webhook, as the scheduler does."""

import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from builders.webhooks import make_delivery, make_target
from tesk_runtime.clock import SystemClock
from tesk_runtime.egress.connecting import Connector
from tesk_runtime.egress.policy import EgressPolicy
from tesk_scheduler.adapters.webhooks.connecting import Dialer
from tesk_scheduler.adapters.webhooks.posting import Poster
from tesk_scheduler.adapters.webhooks.sender import HttpSender
from tesk_scheduler.adapters.webhooks.signing import SecretFiles
from tesk_scheduler.domain.webhooks.deliveries import SendResult
from tesk_scheduler.domain.webhooks.targets import Recipient

OPEN = EgressPolicy(section="webhooks")
SHUT = EgressPolicy(section="webhooks", loopback=False, private=False)
KEYS = {"key": b"k" * 32, "old": b"o" * 32}
SHORT, LONG = timedelta(seconds=0.5), timedelta(seconds=60)
BODY = '{"name":"ä"}'.encode()


def keep_secrets(folder: Path) -> SecretFiles:
    """Write ``KEYS`` into a folder."""
    for name, key in KEYS.items():
        (folder / name).write_text("whsec_" + base64.b64encode(key).decode())
    return SecretFiles(folder)


@dataclass(frozen=True, kw_only=True)
class Sending:
    """Sends ``BODY`` to urls.

    Attributes:
        environ: Of the process; may name proxies.
    """

    secrets: SecretFiles
    environ: Mapping[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    policy: EgressPolicy = OPEN
    timeout: timedelta = LONG

    def __call__(self, url: str, names: tuple[str, ...] = ("key",)) -> SendResult:
        """Send it, signed with the secrets ``names``."""
        sender = HttpSender(
            poster=Poster(Dialer(Connector(self.policy), self.tls, self.environ)),
            secrets=self.secrets,
            clock=SystemClock(),
            timeout=self.timeout,
            agent="tesk",
        )
        delivery = make_delivery(recipient=Recipient("lab", url), body=BODY)
        return sender.send(delivery, make_target(secrets=names, url=url))
