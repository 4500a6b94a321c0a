"""A service whose metrics are scraped each minute of a clock that a test controls."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from builders.scheduler_tasks import make_demand, make_new_task
from fakes.scheduler_environment import CountingIds, FrozenClock
from fakes.scheduler_launcher import FakeLauncher
from schedulers.databases import sqlite_database
from schedulers.served import NO_QUOTA_CHECK, TOKEN
from schedulers.stepped import LEASE
from tesk_api.http.metrics import RequestMetrics
from tesk_model.events import EventPayload, Finished, Outcome, Released, TaskEvent
from tesk_model.names import Attempt
from tesk_scheduler.adapters.event_metrics import EventMetrics
from tesk_scheduler.adapters.metrics import StoreCollector
from tesk_scheduler.adapters.quota_file import QuotaFile
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.adapters.webhooks.reports import BacklogCollector, DeliveryReports
from tesk_scheduler.adapters.webhooks.signing import SecretFiles
from tesk_scheduler.adapters.webhooks.targets_file import TargetsFile
from tesk_scheduler.config import SchedulerSettings, Settings
from tesk_scheduler.domain.quota import Limit
from tesk_scheduler.main import build_scheduler
from tesk_scheduler.ports.webhooks import Backlog
from tesk_scheduler.servicer.scheduler import Dependencies
from tesk_scheduler.usecases.leases import Leases
from tesk_scheduler.usecases.notifier import Notifier
from tesk_scheduler.usecases.reporting import Reporting
from tesk_scheduler.usecases.status import Status

SETTINGS = SchedulerSettings(
    lease=LEASE,
    tasks_per_taskmaster=2,
    max_taskmasters=3,
    launcher="kubernetes",
    idle=timedelta(days=365),
)
SERVICES = ("scheduler", "api")
_MINUTE = timedelta(minutes=1)


class Series(NamedTuple):
    """What of a service has one value."""

    service: str
    name: str
    labels: tuple[tuple[str, str], ...] = ()


class ScrapedService:
    """A scheduler and an api, of which all metrics are those of the product.

    Attributes:
        scrapes: What each minute's scrape had; times are seconds since the first.
        is_up: Scrapes are answered.
    """

    def __init__(self, folder: Path) -> None:
        self.clock = FrozenClock()
        self.launcher = FakeLauncher()
        self.status = Status()
        self.scrapes: list[dict[Series, float]] = []
        self._began = self.clock.now().timestamp()
        self.is_up = True
        self.requests = RequestMetrics()
        self.backlog = Backlog({}, 0, None)
        self._registry = CollectorRegistry()
        self.events = EventMetrics(self._registry)
        self.deliveries = DeliveryReports(self._registry)
        self.store = SqlTaskStore.open(
            sqlite_database(folder / "tesk.db"), observer=self.events
        )
        self.quota = folder / "quota.yaml"
        self.quota.write_text("{}")
        self.targets = folder / "webhooks.yaml"
        self.targets.write_text("{}")
        self._followed = (self._follow_quota(), self._follow_targets(folder))
        self._register(SETTINGS.retention)
        notifier = Notifier()
        self.wakeup = notifier.leader
        dependencies = Dependencies(
            store=self.store,
            deliveries=self.store.deliveries,
            exclusive=True,
            launcher=self.launcher,
            clock=self.clock,
            ids=CountingIds(),
            token=TOKEN,
            quotas=self._followed[0],
            check_quota=NO_QUOTA_CHECK,
            notifier=notifier,
            status=self.status,
            observer=self.events,
        )
        settings = Settings(scheduler=SETTINGS)
        self._leader = build_scheduler(settings, dependencies).leader_loop

    def _follow_quota(self) -> QuotaFile:
        return QuotaFile(
            self.quota,
            machine_capacity=Limit(),
            changed=lambda: None,
            registry=self._registry,
        )

    def _follow_targets(self, folder: Path) -> TargetsFile:
        return TargetsFile(
            self.targets,
            secrets=SecretFiles(folder),
            plain_http=False,
            changed=lambda: None,
            registry=self._registry,
        )

    def _register(self, retention: timedelta) -> None:
        self._registry.register(
            StoreCollector(
                self.store,
                self.launcher.revision,
                self.status,
                clock=self.clock,
                retention=retention,
            )
        )
        self._registry.register(BacklogCollector(lambda: self.backlog, self.clock))

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def add(self, *ids: str) -> None:
        """Submit tasks of a tenth of a core."""
        small = make_demand(cpu_millis=100)
        now = self.clock.now()
        tasks = [make_new_task(each, demand=small, created_at=now) for each in ids]
        self.store.write(lambda tx: tx.add_tasks(tasks))

    def minutes(
        self, count: int, each: Callable[[], None] = lambda: None, *, leads: bool = True
    ) -> None:
        """Let minutes pass: the leader acts, taskmasters call, all is scraped."""
        for _ in range(count):
            each()
            for follower in self._followed:
                follower.check()
            if leads:
                self._leader.reconcile()
            self._call()
            self._scrape()
            self.clock.advance(_MINUTE)

    def _call(self) -> None:
        leases = Leases(
            store=self.store,
            leader=self.wakeup,
            duration=2 * _MINUTE,
        )
        for name in self.launcher.alive():
            leases.renew(name, SETTINGS.tasks_per_taskmaster, self.clock.now())

    def end_all(self, outcome: Outcome, *, released: bool = True) -> None:
        """Let all attempts that taskmasters have end."""
        reporting = Reporting(store=self.store, clock=self.clock, leader=self.wakeup)
        for name in self.launcher.alive():
            for record in self.store.assigned(name):
                payloads: list[EventPayload] = [Finished(outcome)]
                payloads += [Released()] * released
                first = record.last_sequence + 1
                reporting.report(
                    name,
                    [
                        TaskEvent(
                            attempt=Attempt(record.id, record.attempt),
                            sequence=first + number,
                            time=self.clock.now(),
                            payload=payload,
                        )
                        for number, payload in enumerate(payloads)
                    ],
                )

    def _scrape(self) -> None:
        values = {Series(each, "up"): float(self.is_up) for each in SERVICES}
        if self.is_up:
            values |= self._samples("scheduler", generate_latest(self._registry))
            values |= self._samples("api", self.requests.render())
        self.scrapes.append(values)

    def _samples(self, service: str, text: bytes) -> dict["Series", float]:
        return {
            Series(service, sample.name, tuple(sorted(sample.labels.items()))): (
                max(0.0, sample.value - self._began)
                if sample.name.endswith("_timestamp_seconds")
                else sample.value
            )
            for family in text_string_to_metric_families(text.decode())
            for sample in family.samples
            if not sample.name.endswith("_created")
        }
