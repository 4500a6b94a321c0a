"""Metrics that the guide, the dashboard and the alerts name exist, and change."""

import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from builders.scheduler_tasks import NOON
from builders.webhooks import make_delivery
from programs.waiting import eventually
from schedulers.calls import CallRuns
from schedulers.databases import sqlite_database
from schedulers.served import RunningScheduler, create_request, make_collector
from schedulers.stepped import lose_a_taskmaster
from schedulers.transfers import IN, OUT, started_transfer
from tesk.v1 import assignment_service_pb2 as pb
from tesk.v1 import task_pb2, transfer_service_pb2
from tesk_api.http.metrics import RequestMetrics
from tesk_runtime.clock import SystemClock
from tesk_scheduler.adapters.event_metrics import EventMetrics
from tesk_scheduler.adapters.quota_file import QuotaFile
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.adapters.webhooks.reports import BacklogCollector, DeliveryReports
from tesk_scheduler.adapters.webhooks.signing import SecretFiles
from tesk_scheduler.adapters.webhooks.targets_file import TargetsFile
from tesk_scheduler.config import SchedulerSettings
from tesk_scheduler.domain.calls import CacheScope
from tesk_scheduler.domain.quota import Limit
from tesk_scheduler.domain.webhooks.deliveries import (
    Outcome,
    Response,
    SendResult,
    Settled,
)
from tesk_scheduler.ports.webhooks import Backlog, Trimmed

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs/operating.md").read_text("utf-8")
CHART = ROOT / "helm/tesk"
SHOWN = (CHART / "files/dashboard.json").read_text("utf-8")
WATCHED = (CHART / "templates/monitoring/alerts.yaml").read_text("utf-8")
NAME = r"tesk_[a-z_]+"


@pytest.fixture
def scheduler_settings() -> SchedulerSettings:
    """Let results of earlier tasks count."""
    return SchedulerSettings(
        tasks_per_taskmaster=2, max_taskmasters=2, call_cache=CacheScope.OWNER
    )


def named() -> set[str]:
    """Return every metric that somebody is told to look at."""
    exact = re.findall(rf"\b{NAME}", SHOWN + WATCHED)
    assert json.loads(SHOWN)["panels"]
    families = re.findall(rf"`({NAME})`", GUIDE)
    return {*exact, *families}


class Selection(NamedTuple):
    """A metric and one of its labels, as alerts select by it."""

    name: str
    label: str
    pattern: str

    def is_in(self, text: str) -> bool:
        """Tell whether a line has such a label."""
        label = re.compile(rf'[{{,]{self.label}="({self.pattern})"')
        return any(label.search(line) for line in samples(text, self.name))


def selections() -> list[Selection]:
    """Return what alerts select beside the labels of scrapes."""
    found = [
        Selection(name, label, pattern)
        for name, labels in re.findall(
            rf"({NAME})\{{ \{{\{{- \$\w+ \}}\}},([^}}]+)\}}", WATCHED
        )
        for label, pattern in re.findall(r'(\w+)=~?"([^"]*)"', labels)
    ]
    assert len({each.name for each in found}) > 3
    return found


def samples(text: str, name: str) -> list[str]:
    """Return the lines of a metric, or of all that a histogram consists of."""
    pattern = rf"^{name}(_bucket|_count|_sum)?(\{{.*\}})? "
    return [line for line in text.splitlines() if re.match(pattern, line)]


def live(running: RunningScheduler) -> None:
    """Let tasks have all that can befall them."""
    sent = [transfer_service_pb2.MovedByScheme(scheme="s3", files=1, bytes=5)]
    with started_transfer(running) as transfer:
        transfer.finish(IN, files=1, bytes=5, moved=sent, seconds=1)
        transfer.run_executors()
        transfer.finish(OUT, files=1, bytes=5, moved=sent)
        lost = transfer.taskmaster.ended(transfer.assignment, pb.OUTCOME_LOST)
        lost[-1].released.left = "a file that is in use"
        transfer.taskmaster.report(lost)
        task_id = transfer.attempt.task_id
        eventually(lambda: "attempt left files" in running.observer.titles(task_id))
        while "task ended" not in running.observer.titles(task_id):
            transfer.taskmaster.work(transfer.taskmaster.sync(0.2))
    runs = CallRuns(running)
    runs.run(runs.begin())
    again = runs.begin()
    runs.check(again)
    runs.take(again)
    gpus = task_pb2.Resources(backend_parameters={"gpu_type": "a100"})
    (other,) = running.create_all([create_request(resources=gpus)])
    running.cancel(other)
    eventually(lambda: "cancel requested" in running.observer.titles(other))


class Webhooks:
    """All that webhooks count."""

    def __init__(self, folder: Path, registry: CollectorRegistry) -> None:
        self._file = folder / "webhooks.yaml"
        self._file.write_text("{}")
        self._targets = TargetsFile(
            self._file,
            secrets=SecretFiles(folder),
            plain_http=False,
            changed=lambda: None,
            registry=registry,
        )
        self._reports = DeliveryReports(registry)
        backlog = Backlog({"lab": 1}, 1, NOON)
        registry.register(BacklogCollector(lambda: backlog, SystemClock()))

    def live(self) -> None:
        delivery = make_delivery()
        self._reports.tried(delivery, SendResult(response=Response.ACCEPTED), 0.1)
        for outcome in Outcome:
            self._reports.settled(Settled(delivery=delivery, outcome=outcome))
        self._reports.trimmed(Trimmed(1, 1))
        self._reports.lost()
        self._file.write_text("unknown: 1")
        self._targets.check()


def rendered(*registries: CollectorRegistry) -> str:
    return "".join(generate_latest(each).decode() for each in registries)


def test_metrics_that_are_named_exist_and_change(
    running: RunningScheduler, tmp_path: Path
) -> None:
    requests, second = RequestMetrics(), CollectorRegistry()
    quota = tmp_path / "quota.yaml"
    quota.write_text("{}")
    followed = QuotaFile(
        quota, machine_capacity=Limit(), changed=lambda: None, registry=second
    )
    webhooks = Webhooks(tmp_path, second)
    running.registry.register(make_collector(running))
    before = rendered(running.registry) + rendered(second)

    quota.write_text("{order: strict}")
    followed.check()
    live(running)
    webhooks.live()
    quota.write_text("unknown: 1")
    followed.check()
    events = EventMetrics(second)
    events.answered("TaskService/GetTask", "UNAVAILABLE", 0.1)
    store = SqlTaskStore.open(sqlite_database(tmp_path / "other.db"), observer=events)
    lose_a_taskmaster(store)
    store.close()
    for status in (200, 503):
        requests.observe(method="GET", route="/tasks", status=status, seconds=0.1)
    ended = "tesk_scheduler_tasks_ended_total"
    eventually(
        lambda: samples(rendered(running.registry), ended) != samples(before, ended)
    )
    after = rendered(running.registry, second) + requests.render().decode()

    names = named()
    assert len(names) > 30
    assert "store_up" not in SHOWN  # a store that can be read alone does not serve
    assert [name for name in names if not samples(after, name)] == []
    counted = [name for name in names if re.search("(_total|_count|_bucket)$", name)]
    unchanged = [
        name for name in counted if samples(before, name) == samples(after, name)
    ]
    assert unchanged == []
    assert [each for each in selections() if not each.is_in(after)] == []


def test_every_metric_is_in_the_guide(running: RunningScheduler) -> None:
    running.registry.register(make_collector(running))
    described = set(re.findall(rf"`({NAME})`", GUIDE))

    families = re.findall(
        rf"^# TYPE ({NAME}) ", rendered(running.registry), re.MULTILINE
    )

    assert {each for each in families if not each.endswith("_created")} <= described
