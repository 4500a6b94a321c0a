"""Serves Prometheus metrics, read from the store on each request.

No label holds a task or an owner, so their number stays bounded.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from importlib.metadata import version

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tesk_model.errors import UnavailableError
from tesk_model.reasons import ReasonCode
from tesk_model.states import TaskState
from tesk_runtime.http.limits import HttpLimits
from tesk_runtime.http.process import Endpoint, listen, serve_in_thread
from tesk_runtime.http.server import Service
from tesk_scheduler.domain.dimensions import DIMENSIONS, GPU
from tesk_scheduler.domain.holds import Holds
from tesk_scheduler.domain.quota import EVERYBODY, Subject, SubjectKind, Usage
from tesk_scheduler.domain.records import WaitingTasks
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.store import TaskStore
from tesk_scheduler.usecases.status import Status

_NEXT = (TaskState.QUEUED, ReasonCode.ADMISSION_PENDING)
# Few programs read metrics.
_THREADS = 2
_LIMITS = HttpLimits(connections=64, requests=16, body_bytes=0, memory=2**23)


class StoreCollector(Collector):
    """Turns the counters of the store into metrics."""

    def __init__(
        self,
        store: TaskStore,
        revision: Callable[[], str],
        status: Status,
        *,
        clock: Clock,
        retention: timedelta,
    ) -> None:
        self._store = store
        self._revision = revision
        self._status = status
        self._clock = clock
        self._retention = retention

    def collect(self) -> Iterator[Metric]:
        """Collect; without the store only what this process knows."""
        revision = self._revision()
        yield _build_info(revision)
        yield _gauge("leader", "Whether this scheduler leads.", self._status.is_leader)
        help_ = "Whether the task store could be written when last checked."
        yield _gauge("store_writable", help_, self._status.is_ready)
        help_ = "When this scheduler, as the leader, last looked at waiting tasks."
        round_at = self._status.round_at
        seconds = 0.0 if round_at is None else round_at.timestamp()
        yield _gauge("last_round_timestamp_seconds", help_, seconds)
        try:
            usages = self._store.usage_of_all()
            fleet = self._store.fleet()
            oldest = self._store.oldest()
            now = self._clock.now()
            waiting = self._store.waiting()
            held = Holds(self._store.holds()).everything is not None
        except UnavailableError:
            yield _gauge("store_up", "Whether the task store can be read.", 0)
            return
        yield _gauge("store_up", "Whether the task store can be read.", 1)
        usage = usages.get(EVERYBODY, Usage())
        for dimension in DIMENSIONS:
            name, help_, scale = dimension.metric
            yield _gauge(name, help_, usage[dimension] / scale)
        yield from _waits(waiting, now)
        yield _gauge("everything_held", "Whether an operator holds all tasks.", held)
        yield _gpus_by_type(usages)
        yield _gauge("taskmasters", "Taskmasters there are.", len(fleet))
        outdated = sum(1 for member in fleet if not member.is_current(revision))
        help_ = (
            "Taskmasters of earlier revisions or drained, which finish what they have."
        )
        yield _gauge("taskmasters_outdated", help_, outdated)
        slots = sum(member.free for member in fleet if member.is_current(revision))
        yield _gauge("taskmaster_slots_free", "Tasks they could still take.", slots)
        help_ = "How long the task that came first among those that wait has waited."
        yield _gauge("oldest_queued_seconds", help_, _age(oldest.queued_at, now))
        help_ = "How long the oldest finished task has been kept beyond its time."
        overdue = max(0.0, _age(oldest.ended_at, now) - self._retention.total_seconds())
        yield _gauge("retention_overdue_seconds", help_, overdue)


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())


def serve_metrics(address: str, registry: CollectorRegistry) -> Callable[[], None]:
    """Serve metrics at ``host:port``; return what ends it.

    Raises:
        ValueError: ``address`` is not of that form.
        OSError: It cannot be listened at.
    """
    host, _, port = address.rpartition(":")
    service = Service(app=make_wsgi_app(registry), threads=_THREADS)
    listener = listen(host, int(port))  # ":9090" means everywhere
    return serve_in_thread(Endpoint(listener, service, _LIMITS))


def _gauge(name: str, help_: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"tesk_scheduler_{name}", help_, value=value)


def _waits(waiting: Sequence[WaitingTasks], now: datetime) -> Iterator[Metric]:
    labels = ["state", "reason"]
    tasks = GaugeMetricFamily(
        "tesk_scheduler_tasks_waiting", "Tasks by what they wait for.", labels=labels
    )
    oldest = GaugeMetricFamily(
        "tesk_scheduler_oldest_wait_seconds",
        "Time since the oldest task that waits for this was queued, or admitted.",
        labels=labels,
    )
    # None that waits is a number, too.
    found = {_NEXT: (0, 0.0)} | {
        (each.state, each.reason): (each.tasks, _age(each.oldest, now))
        for each in waiting
    }
    for (state, reason), (count, seconds) in found.items():
        tasks.add_metric([state.value, reason.value], count)
        oldest.add_metric([state.value, reason.value], seconds)
    yield from (tasks, oldest)


def _gpus_by_type(usages: Mapping[Subject, Usage]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(
        "tesk_scheduler_gpus_used_by_type",
        "GPUs in use by tasks that ask for their type.",
        labels=["gpu_type"],
    )
    for subject, usage in usages.items():
        if subject.kind is SubjectKind.ALL and subject.gpu_type:
            gauge.add_metric([subject.gpu_type], usage[GPU])
    return gauge


def _build_info(revision: str) -> GaugeMetricFamily:
    info = GaugeMetricFamily(
        "tesk_build_info",
        "Version of the scheduler, revision that new taskmasters are started from.",
        labels=["version", "revision"],
    )
    info.add_metric([version("tesk-scheduler"), revision], 1)
    return info
