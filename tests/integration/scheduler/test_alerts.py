"""The alerts of the chart, judged by Prometheus on metrics of a real service.

Each situation is lived through minute by minute. Exactly the alerts that it should cause
fire at its end, all others are silent.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from builders.webhooks import make_delivery
from charts.promtool import check_firing, check_rules, needs_promtool
from charts.rendering import find, kinds, needs_helm, render
from charts.values import SETS
from schedulers.scraped import SERVICES, SETTINGS, ScrapedService, Series
from tesk_model.events import Outcome
from tesk_scheduler.domain.quota import EVERYBODY, Subject, SubjectKind
from tesk_scheduler.domain.webhooks import deliveries
from tesk_scheduler.ports.webhooks import Backlog, Trimmed
from tesk_scheduler.usecases.admin.holding import Holding

pytestmark = [needs_helm, needs_promtool]

_VALUES = SETS["monitoring"] | {
    "metrics": {
        "serviceMonitor": {"enabled": True},
        "prometheusRule": {
            "enabled": True,
            "queueWaitMinutes": 20,
            "queueAgeHours": 1,
        },
    }
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ScrapedService]:
    """Let a service be well for a while."""
    service = ScrapedService(tmp_path)
    service.minutes(5, lambda: answer(service, 200))
    yield service
    service.close()


def groups() -> list[dict[str, Any]]:
    """Return the rules of the chart."""
    (rules,) = kinds(render(_VALUES), "PrometheusRule")
    found: list[dict[str, Any]] = rules["spec"]["groups"]
    return found


def scrape_labels() -> dict[str, dict[str, str]]:
    """Return the labels that the operator of Prometheus gives to what it scrapes."""
    objects = render(_VALUES)
    found = {}
    for service in SERVICES:
        monitor = find(objects, "ServiceMonitor", f"tesk-{service}")
        (endpoint,) = monitor["spec"]["endpoints"]
        wanted = monitor["spec"]["selector"]["matchLabels"]
        (scraped,) = [
            each["metadata"]
            for each in kinds(objects, "Service")
            if wanted.items() <= each["metadata"]["labels"].items()
            and endpoint["port"] in [port["name"] for port in each["spec"]["ports"]]
        ]
        found[service] = {
            "namespace": scraped["namespace"],
            "service": scraped["name"],
            "pod": f"{scraped['name']}-0",
        }
    return found


def check(service: ScrapedService, folder: Path, firing: set[str]) -> None:
    """Fail unless exactly these alerts fire after the last scrape."""
    labels = scrape_labels()

    def name(series: Series) -> str:
        pairs = dict(series.labels) | labels[series.service]
        text = ",".join(f'{key}="{value}"' for key, value in pairs.items())
        return f"{series.name}{{{text}}}"

    scrapes = [
        {name(series): value for series, value in scrape.items()}
        for scrape in service.scrapes
    ]
    check_firing(folder, groups(), scrapes, firing)


def answer(service: ScrapedService, status: int, seconds: float = 0.1) -> None:
    """Let the api answer some requests."""
    for _ in range(20):
        service.requests.observe(
            method="GET", route="/tasks", status=status, seconds=seconds
        )


def work(service: ScrapedService, outcome: Outcome = Outcome.COMPLETE) -> None:
    """Let a task of a minute ago end, and another begin."""
    service.end_all(outcome)
    service.add(f"t-{len(service.scrapes)}")


def be_well(service: ScrapedService) -> None:
    service.minutes(60, lambda: work(service))


def hold(service: ScrapedService, subject: Subject) -> None:
    Holding(store=service.store, clock=service.clock, leader=service.wakeup).put(
        "ops", subject, "upgrade", dry_run=False
    )


def be_held(service: ScrapedService) -> None:
    hold(service, EVERYBODY)
    service.add("t-1")
    service.minutes(50)


def be_away(service: ScrapedService) -> None:
    service.is_up = False
    service.minutes(10)


def lead_nowhere(service: ScrapedService) -> None:
    service.status.is_leader = False
    service.minutes(10, leads=False)


def lose_the_database(service: ScrapedService) -> None:
    service.status.is_ready = False
    service.minutes(10)


def hang(service: ScrapedService) -> None:
    service.add("t-1")
    service.minutes(10, leads=False)


def start_no_taskmaster(service: ScrapedService) -> None:
    service.launcher.refusal = "quota of the namespace exceeded"
    service.add("t-1")
    service.minutes(30)


def admit_nothing_beside_free_slots(service: ScrapedService) -> None:
    service.add("t-1")
    service.minutes(1)
    service.quota.write_text("capacity: {running: 1}")
    service.add("t-2")
    service.minutes(50)


def wait_for_long(service: ScrapedService) -> None:
    hold(service, Subject(SubjectKind.USER, "alice"))
    service.add("t-1")
    service.minutes(90)


def refuse_the_quota(service: ScrapedService) -> None:
    service.quota.write_text("unknown: 1")
    service.minutes(10)


def refuse_the_targets(service: ScrapedService) -> None:
    service.targets.write_text("unknown: 1")
    service.minutes(10)


def fail_for_the_first_time(service: ScrapedService) -> None:
    service.add("t-1", "t-2", "t-3", "t-4")
    service.minutes(1)
    service.end_all(Outcome.SYSTEM_ERROR)
    service.minutes(8)


def lose_taskmasters(service: ScrapedService) -> None:
    for number in range(1, 5):
        service.add(f"t-{number}")
        service.minutes(1)
        service.launcher.die(service.launcher.launched[-1], 137)
    service.minutes(2)


def lose_one_taskmaster(service: ScrapedService) -> None:
    service.add("t-1")
    service.minutes(1)
    service.launcher.die(service.launcher.launched[-1], 137)
    service.minutes(5, lambda: work(service))


def keep_what_cannot_be_removed(service: ScrapedService) -> None:
    service.add("t-1")
    service.minutes(1)
    service.end_all(Outcome.COMPLETE, released=False)
    service.clock.advance(SETTINGS.retention + timedelta(days=2))
    service.minutes(70)


def wait_for_a_receiver(service: ScrapedService) -> None:
    service.backlog = Backlog({"lab": 1}, 0, service.clock.now())
    service.minutes(30)


def give_up_an_event(service: ScrapedService) -> None:
    """The very first of the receiver, a minute after its first try."""
    delivery = make_delivery()
    refused = deliveries.SendResult(response=deliveries.Response.UNAVAILABLE)
    service.deliveries.tried(delivery, refused, 0.1)
    service.minutes(1)
    service.deliveries.settled(
        deliveries.Settled(delivery=delivery, outcome=deliveries.Outcome.DEAD)
    )
    service.minutes(2)


def give_up_old_events(service: ScrapedService) -> None:
    service.deliveries.trimmed(Trimmed(1, 0))
    service.minutes(2)


def be_slow(service: ScrapedService) -> None:
    service.minutes(
        30, lambda: service.events.round_ended(seconds=3, admitted=0), leads=False
    )


def fail_calls(service: ScrapedService) -> None:
    def fail() -> None:
        for _ in range(20):
            service.events.answered("TaskService/CreateTask", "UNAVAILABLE", 0.1)

    service.minutes(15, fail)


def fail_requests(service: ScrapedService) -> None:
    service.minutes(15, lambda: answer(service, 503))


def answer_slowly(service: ScrapedService) -> None:
    service.minutes(20, lambda: answer(service, 200, seconds=4))


SITUATIONS: dict[Callable[[ScrapedService], None], set[str]] = {
    be_well: set(),
    be_held: set(),
    lose_one_taskmaster: set(),
    be_away: {"TeskSchedulerDown"},
    lead_nowhere: {"TeskNoLeader"},
    lose_the_database: {"TeskStoreDown"},
    hang: {"TeskAdmissionStalled", "TeskNoTaskmaster"},
    start_no_taskmaster: {"TeskNoTaskmaster"},
    admit_nothing_beside_free_slots: {"TeskSlotsIdle"},
    wait_for_long: {"TeskQueueOld", "TeskTasksStuck", "TeskNoTaskmaster"},
    refuse_the_quota: {"TeskQuotaRefused"},
    refuse_the_targets: {"TeskWebhooksRefused"},
    fail_for_the_first_time: {"TeskTasksFail"},
    lose_taskmasters: {"TeskTaskmastersLost"},
    keep_what_cannot_be_removed: {"TeskRetentionBehind"},
    wait_for_a_receiver: {"TeskWebhooksLate"},
    give_up_an_event: {"TeskWebhooksDead"},
    give_up_old_events: {"TeskWebhooksDead"},
    be_slow: {"TeskRoundsSlow"},
    fail_calls: {"TeskSchedulerErrors"},
    fail_requests: {"TeskApiErrors"},
    answer_slowly: {"TeskApiSlow"},
}


@pytest.mark.parametrize(
    ("situation", "firing"),
    SITUATIONS.items(),
    ids=[each.__name__ for each in SITUATIONS],
)
def test_the_alerts_of_a_situation_fire_and_no_others(
    service: ScrapedService,
    tmp_path: Path,
    situation: Callable[[ScrapedService], None],
    firing: set[str],
) -> None:
    situation(service)

    check(service, tmp_path, firing)


def test_each_alert_fires_in_some_situation() -> None:
    names = {rule["alert"] for group in groups() for rule in group["rules"]}

    assert names == set().union(*SITUATIONS.values())


def test_prometheus_finds_nothing_wrong_with_the_rules(tmp_path: Path) -> None:
    check_rules(tmp_path, groups())
