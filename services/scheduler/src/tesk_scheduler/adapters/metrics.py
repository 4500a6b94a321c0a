"""Serves Prometheus metrics, read from the store on each request.

No label holds a task or an owner, so their number stays bounded.
"""

from collections.abc import Callable, Iterator
from importlib.metadata import version

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tesk_model.errors import UnavailableError
from tesk_runtime.http.limits import HttpLimits
from tesk_runtime.http.process import Endpoint, listen, serve_in_thread
from tesk_runtime.http.server import Service
from tesk_scheduler.domain.dimensions import DIMENSIONS
from tesk_scheduler.domain.quota import EVERYBODY, Usage
from tesk_scheduler.ports.store import TaskStore
from tesk_scheduler.usecases.status import Status

# Few programs read metrics.
_THREADS = 2
_LIMITS = HttpLimits(connections=64, requests=16, body_bytes=0, memory=2**23)


class StoreCollector(Collector):
    """Turns the counters of the store into metrics."""

    def __init__(
        self, store: TaskStore, revision: Callable[[], str], status: Status
    ) -> None:
        self._store = store
        self._revision = revision
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """Collect; without the store only what this process knows."""
        revision = self._revision()
        yield _build_info(revision)
        yield _gauge("leader", "Whether this scheduler leads.", self._status.is_leader)
        help_ = "Whether the task store could be written when last checked."
        yield _gauge("store_writable", help_, self._status.is_ready)
        try:
            usage = self._store.usage_of_all().get(EVERYBODY, Usage())
            fleet = self._store.fleet()
        except UnavailableError:
            yield _gauge("store_up", "Whether the task store can be read.", 0)
            return
        yield _gauge("store_up", "Whether the task store can be read.", 1)
        for dimension in DIMENSIONS:
            name, help_, scale = dimension.metric
            yield _gauge(name, help_, usage[dimension] / scale)
        yield _gauge("taskmasters", "Taskmasters there are.", len(fleet))
        outdated = sum(1 for member in fleet if member.revision != revision)
        help_ = "Taskmasters of earlier revisions, which finish what they have."
        yield _gauge("taskmasters_outdated", help_, outdated)
        slots = sum(member.free for member in fleet if member.revision == revision)
        yield _gauge("taskmaster_slots_free", "Tasks they could still take.", slots)


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


def _build_info(revision: str) -> GaugeMetricFamily:
    info = GaugeMetricFamily(
        "tesk_build_info",
        "Version of the scheduler, revision that new taskmasters are started from.",
        labels=["version", "revision"],
    )
    info.add_metric([version("tesk-scheduler"), revision], 1)
    return info
