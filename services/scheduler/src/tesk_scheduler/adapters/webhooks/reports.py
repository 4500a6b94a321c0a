"""Counts and logs tries to deliver events, and what became of them.

A label names a target of the operator's file, and no task or owner.
"""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tesk_model.errors import UnavailableError
from tesk_scheduler.domain.webhooks.deliveries import (
    Delivery,
    Outcome,
    SendResult,
    Settled,
)
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.webhooks import Backlog, Trimmed

_logger = logging.getLogger(__name__)
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_NAMESPACE = "tesk_scheduler"


class DeliveryReports:
    """See ``DeliveryObserver``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Start from zero in ``registry``."""
        self._tries = Counter(
            "webhook_tries",
            "Events that were sent, by what the receiver made of them.",
            ("target", "response"),
            namespace=_NAMESPACE,
            registry=registry,
        )
        self._seconds = Histogram(
            "webhook_seconds",
            "Time until a receiver answered, or did not.",
            ("target",),
            buckets=_SECONDS,
            namespace=_NAMESPACE,
            registry=registry,
        )
        self._outcomes = Counter(
            "webhook_deliveries",
            "Events for a receiver, by what became of them.",
            ("target", "outcome"),
            namespace=_NAMESPACE,
            registry=registry,
        )
        self._bounded = Counter(
            "webhook_letters_bounded",
            "Events that became dead letters, and dead letters that were deleted,"
            " because of their age or number.",
            ("result",),
            namespace=_NAMESPACE,
            registry=registry,
        )
        # Of a series that is new Prometheus sees no increase: the first would be missed.
        for result in ("dead", "deleted"):
            self._bounded.labels(result)
        self._lost = Counter(
            "webhook_feed_expirations",
            "How often state changes were deleted before receivers could be told.",
            namespace=_NAMESPACE,
            registry=registry,
        )

    def tried(self, delivery: Delivery, result: SendResult, seconds: float) -> None:
        """Count a try."""
        target = delivery.recipient.target
        for outcome in Outcome:
            if outcome is not Outcome.RETRIED:
                self._outcomes.labels(target, outcome.value)
        self._tries.labels(target, result.response.value).inc()
        self._seconds.labels(target).observe(seconds)

    def settled(self, settled: Settled) -> None:
        """Count what became of a delivery; log failures."""
        delivery, outcome = settled.delivery, settled.outcome
        target = delivery.recipient.target
        if outcome is not Outcome.RETRIED:
            self._outcomes.labels(target, outcome.value).inc()
        if outcome is Outcome.DELIVERED:
            return
        level = logging.INFO if outcome is Outcome.RETRIED else logging.WARNING
        fields = {
            "task_id": delivery.task_id,
            "target": target,
            "server": delivery.recipient.server,
            "outcome": outcome.value,
            "tries": delivery.tries + 1,
            "cause": settled.detail,
        }
        _logger.log(level, "webhook not delivered", extra=fields)

    def trimmed(self, trimmed: Trimmed) -> None:
        """Count what bounds did; log it if it was anything."""
        self._bounded.labels("dead").inc(trimmed.dead)
        self._bounded.labels("deleted").inc(trimmed.deleted)
        if trimmed.dead or trimmed.deleted:
            fields = {"dead": trimmed.dead, "deleted": trimmed.deleted}
            _logger.warning("webhooks bounded", extra=fields)

    def lost(self) -> None:
        """Count it."""
        self._lost.inc()


class BacklogCollector(Collector):
    """Turns what waits into metrics, read from the store on each request."""

    def __init__(self, read: Callable[[], Backlog], clock: Clock) -> None:
        self._read = read
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """Collect; without the store nothing."""
        try:
            backlog = self._read()
        except UnavailableError:
            return
        pending = GaugeMetricFamily(
            f"{_NAMESPACE}_webhooks_pending",
            "Events that wait to be sent.",
            labels=["target"],
        )
        for target, number in backlog.pending.items():
            pending.add_metric([target], number)
        yield pending
        yield GaugeMetricFamily(
            f"{_NAMESPACE}_webhooks_dead",
            "Dead letters: events that are not sent any more.",
            value=backlog.dead,
        )
        yield GaugeMetricFamily(
            f"{_NAMESPACE}_webhooks_oldest_pending_seconds",
            "How long the oldest event that was not accepted has waited.",
            value=_age(backlog.oldest, self._clock.now()),
        )


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
