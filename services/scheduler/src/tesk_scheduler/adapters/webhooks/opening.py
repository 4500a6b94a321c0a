"""Opens what delivers webhooks, by the settings."""

import random
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

from prometheus_client import CollectorRegistry

from tesk_runtime.egress.connecting import Connector
from tesk_runtime.egress.settings import policy_of
from tesk_scheduler.adapters.webhooks.connecting import Dialer
from tesk_scheduler.adapters.webhooks.posting import Poster
from tesk_scheduler.adapters.webhooks.reports import BacklogCollector, DeliveryReports
from tesk_scheduler.adapters.webhooks.sender import HttpSender
from tesk_scheduler.adapters.webhooks.signing import SecretFiles
from tesk_scheduler.adapters.webhooks.targets_file import TargetsFile
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.webhooks import DeliveryStore, WebhookPorts
from tesk_scheduler.webhook_config.settings import WebhookSettings


def open_sender(
    settings: WebhookSettings, *, clock: Clock, environ: Mapping[str, str]
) -> HttpSender:
    """Return what sends events.

    Args:
        settings: Of webhooks.
        clock: Of the store.
        environ: Of the process, which may name proxies.

    Raises:
        ValueError: A setting is refused.
    """
    connector = Connector(policy_of(settings, "webhooks"))
    return HttpSender(
        poster=Poster(Dialer(connector, _open_tls(settings.ca), environ)),
        secrets=SecretFiles(Path(settings.secrets)),
        clock=clock,
        timeout=settings.timeout,
        agent=f"tesk/{version('tesk-scheduler')}",
    )


def open_webhooks(
    settings: WebhookSettings,
    deliveries: DeliveryStore,
    *,
    sender: HttpSender,
    changed: Callable[[], None],
    registry: CollectorRegistry,
    closing: ExitStack,
) -> WebhookPorts:
    """Read the file and follow it; ``closing`` ends that.

    Raises:
        ValueError: The file is refused.
    """
    targets = TargetsFile(
        Path(settings.file),
        secrets=sender.secrets,
        plain_http=settings.plain_http == "allow",
        changed=changed,
        registry=registry,
    )
    targets.start()
    closing.callback(targets.close)
    observer = DeliveryReports(registry)
    registry.register(BacklogCollector(deliveries.backlog, sender.clock))
    return WebhookPorts(targets=targets, sender=sender, observer=observer)


def start_thread(work: Callable[[], None]) -> None:
    """Run ``work`` on a thread that does not keep the process from ending."""
    threading.Thread(target=work, name="webhook", daemon=True).start()


def jitter() -> float:
    """Return a number from 0 to 1 by chance; nothing secret depends on it."""
    return random.random()  # noqa: S311


def _open_tls(authorities: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authorities or None)
    except (OSError, ssl.SSLError) as error:
        message = (
            f"webhooks.ca (TESK_WEBHOOKS_CA): {authorities} cannot be read, or holds no"
            " certificate in PEM form"
        )
        raise ValueError(message) from error
