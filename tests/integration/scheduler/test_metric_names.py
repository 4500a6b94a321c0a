"""Metrics that the guide, the dashboard and the alerts name exist, and change."""

import json
import re
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from programs.waiting import eventually
from schedulers.served import RunningScheduler, create_request
from schedulers.stepped import lose_a_taskmaster
from schedulers.transfers import IN, OUT, started_transfer
from tesk.v1 import assignment_service_pb2 as pb
from tesk.v1 import transfer_service_pb2
from tesk_api.http.metrics import RequestMetrics
from tesk_scheduler.adapters.event_metrics import EventMetrics
from tesk_scheduler.adapters.metrics import StoreCollector
from tesk_scheduler.adapters.store.engines import sqlite_url
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.usecases.status import Status

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs/operating.md").read_text("utf-8")
CHART = ROOT / "helm/tesk"
SHOWN = (CHART / "files/dashboard.json").read_text("utf-8")
WATCHED = (CHART / "templates/monitoring/alerts.yaml").read_text("utf-8")
NAME = r"tesk_[a-z_]+"


def named() -> set[str]:
    """Return every metric that somebody is told to look at."""
    exact = re.findall(rf"\b{NAME}", SHOWN + WATCHED)
    assert json.loads(SHOWN)["panels"]
    families = re.findall(rf"`({NAME})`", GUIDE)
    return {*exact, *families}


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
    (other,) = running.create_all([create_request()])
    running.cancel(other)
    eventually(lambda: "cancel requested" in running.observer.titles(other))


def rendered(*registries: CollectorRegistry) -> str:
    return "".join(generate_latest(each).decode() for each in registries)


def test_metrics_that_are_named_exist_and_change(
    running: RunningScheduler, tmp_path: Path
) -> None:
    requests, second = RequestMetrics(), CollectorRegistry()
    running.registry.register(
        StoreCollector(running.store, running.launcher.revision, Status())
    )
    before = rendered(running.registry) + rendered(second)

    live(running)
    store = SqlTaskStore.open(
        sqlite_url(tmp_path / "other.db"), observer=EventMetrics(second)
    )
    lose_a_taskmaster(store)
    store.close()
    requests.observe(method="GET", route="/tasks", status=200, seconds=0.1)
    eventually(
        lambda: "tesk_scheduler_tasks_ended_total{" in rendered(running.registry)
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


def test_every_metric_is_in_the_guide(running: RunningScheduler) -> None:
    running.registry.register(
        StoreCollector(running.store, running.launcher.revision, Status())
    )
    described = set(re.findall(rf"`({NAME})`", GUIDE))

    families = re.findall(
        rf"^# TYPE ({NAME}) ", rendered(running.registry), re.MULTILINE
    )

    assert {each for each in families if not each.endswith("_created")} <= described
