"""Opens what a scheduler takes from its process: store, launcher, metrics, traces."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry

from tesk_runtime.clock import SystemClock
from tesk_runtime.sections import state_home
from tesk_runtime.tracing import open_tracer
from tesk_scheduler.adapters.ids import UlidGenerator
from tesk_scheduler.adapters.local_launcher import LocalLauncher
from tesk_scheduler.adapters.machine import machine_capacity
from tesk_scheduler.adapters.metrics import StoreCollector, serve_metrics
from tesk_scheduler.adapters.observers import make_observer
from tesk_scheduler.adapters.quota_check import TextCheck
from tesk_scheduler.adapters.quota_file import QuotaFile
from tesk_scheduler.adapters.store.clock import StoreClock
from tesk_scheduler.adapters.store.engines import sqlite_url
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.adapters.webhooks.opening import (
    jitter,
    open_sender,
    open_webhooks,
    start_thread,
)
from tesk_scheduler.config import Settings, taskmaster_environment
from tesk_scheduler.domain.quota import Limit
from tesk_scheduler.ports.cluster import Cluster
from tesk_scheduler.ports.environment import Namespaces, no_namespace
from tesk_scheduler.ports.launcher import TaskmasterLauncher
from tesk_scheduler.ports.quota import FixedQuota, QuotaSource
from tesk_scheduler.ports.task_objects import NoTaskObjects, TaskObjects
from tesk_scheduler.quota_config.conversion import quota_from_settings
from tesk_scheduler.quota_config.settings import QuotaSettings, names_beside_file
from tesk_scheduler.servicer.scheduler import Dependencies
from tesk_scheduler.servicer.wire import tags_of
from tesk_scheduler.usecases.notifier import Notifier
from tesk_scheduler.usecases.status import Status
from tesk_scheduler.usecases.webhooks.dispatching import (
    Dispatcher,
    DispatchRules,
    Surroundings,
)
from tesk_scheduler.usecases.webhooks.expansion import Expansion
from tesk_scheduler.usecases.webhooks.wakeup import DispatchWakeup
from tesk_scheduler.webhook_config.settings import (
    WebhookSettings,
    bounds_of,
    delivery_rules,
)


class _Place(NamedTuple):
    """Where tasks run: this machine, or a cluster."""

    launcher: TaskmasterLauncher
    cluster: Cluster | None = None
    namespace_of: Namespaces = no_namespace
    namespaces: tuple[str, ...] = ()


def open_dependencies(
    settings: Settings, environ: Mapping[str, str], *, token: str, closing: ExitStack
) -> Dependencies:
    """Open everything; ``closing`` closes it.

    Raises:
        DatabaseInUseError: Another scheduler has this SQLite database.
        TeskError: The database cannot be opened.
        OSError: The address of metrics, or a folder, is not available.
        ValueError: The file of the quota is refused.
    """
    own = settings.scheduler
    home = state_home(settings.local, environ)
    in_cluster = own.launcher == "kubernetes"
    if not in_cluster or not own.database:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    notifier, status = Notifier(), Status()
    changed = partial(notifier.leader.notify, urgent=True)
    registry = CollectorRegistry()
    tracer = open_tracer("scheduler", settings.tracing)
    closing.callback(tracer.close)
    wakeup = DispatchWakeup()
    observer = make_observer(registry, tracer, wakeup)
    url = own.database or sqlite_url(home / "tesk.db")
    store = SqlTaskStore.open(url, observer=observer)
    closing.callback(store.close)
    capacity = Limit() if in_cluster else machine_capacity(home)
    quotas, quota_in_force = _quotas(
        settings.quota,
        capacity,
        changed=changed,
        registry=registry,
        closing=closing,
    )
    place = (
        _cluster(settings, environ, quotas, changed=changed, closing=closing)
        if in_cluster
        else _Place(_local_launcher(settings, environ, changed, home))
    )
    clock = StoreClock(store, SystemClock())
    webhooks = None
    if settings.webhooks.file:
        webhooks = open_webhooks(
            settings.webhooks,
            store.deliveries,
            sender=open_sender(settings.webhooks, clock=clock, environ=environ),
            changed=wakeup.notify,
            registry=registry,
            closing=closing,
        )
    if own.metrics_listen:
        collector = StoreCollector(
            store, place.launcher.revision, status, clock=clock, retention=own.retention
        )
        registry.register(collector)
        closing.callback(serve_metrics(own.metrics_listen, registry))
    return Dependencies(
        store=store,
        exclusive=store.exclusive,
        launcher=place.launcher,
        clock=clock,
        ids=UlidGenerator(),
        token=token,
        quotas=quotas,
        check_quota=TextCheck(in_force=quota_in_force, machine_capacity=capacity),
        notifier=notifier,
        status=status,
        namespace_of=place.namespace_of,
        namespaces=place.namespaces,
        cluster=place.cluster,
        task_objects=_task_objects(settings, environ, in_cluster=in_cluster),
        observer=observer,
        deliveries=store.deliveries,
        webhooks=webhooks,
        webhook_wakeup=wakeup,
    )


def _quotas(
    settings: QuotaSettings,
    capacity: Limit,
    *,
    changed: Callable[[], None],
    registry: CollectorRegistry,
    closing: ExitStack,
) -> tuple[QuotaSource, Callable[[], QuotaSettings]]:
    if not settings.file:
        fixed = FixedQuota(quota_from_settings(settings, capacity))
        return fixed, lambda: settings
    if others := names_beside_file(settings):
        raise ValueError(
            f"quota.file: the whole quota is in that file: move {', '.join(others)} there"
        )
    file = QuotaFile(
        Path(settings.file),
        machine_capacity=capacity,
        changed=changed,
        registry=registry,
    )
    file.start()
    closing.callback(file.close)
    return file, file.settings


def _local_launcher(
    settings: Settings,
    environ: Mapping[str, str],
    changed: Callable[[], None],
    home: Path,
) -> LocalLauncher:
    return LocalLauncher(
        home / "taskmasters",
        environment=taskmaster_environment(settings, environ, home),
        changed=changed,
    )


def _task_objects(
    settings: Settings, environ: Mapping[str, str], *, in_cluster: bool
) -> TaskObjects:
    if not in_cluster:
        return NoTaskObjects()
    # As of ``_cluster``.
    from tesk_scheduler.adapters.kubernetes.cluster import (  # noqa: PLC0415
        open_task_objects,
    )

    return open_task_objects(settings.kubernetes, environ)


def _cluster(
    settings: Settings,
    environ: Mapping[str, str],
    quotas: QuotaSource,
    *,
    changed: Callable[[], None],
    closing: ExitStack,
) -> _Place:
    # The client of Kubernetes takes memory and time that one machine need not spend.
    from tesk_scheduler.adapters.kubernetes.cluster import (  # noqa: PLC0415
        open_cluster,
    )

    opened = open_cluster(
        settings.kubernetes,
        environ,
        clock=SystemClock(),
        changed=changed,
        finds_capacity=quotas.current().finds_capacity,
        closing=closing,
    )
    return _Place(
        opened.launcher, opened.cluster, opened.namespace_of, opened.namespaces
    )


def make_dispatcher(
    settings: WebhookSettings, dependencies: Dependencies
) -> Dispatcher | None:
    """Wire what delivers webhooks; None where there are none."""
    ports = dependencies.webhooks
    if ports is None:
        return None
    status = dependencies.status
    return Dispatcher(
        store=dependencies.deliveries,
        expansion=Expansion(
            store=dependencies.store,
            deliveries=dependencies.deliveries,
            targets=ports.targets,
            tags_of=tags_of,
            observer=ports.observer,
            source=settings.source,
        ),
        targets=ports.targets,
        sender=ports.sender,
        rules=DispatchRules(
            deliveries=delivery_rules(settings),
            bounds=bounds_of(settings),
            parallel=settings.parallel,
            exclusive=dependencies.exclusive,
        ),
        wakeup=dependencies.webhook_wakeup,
        surroundings=Surroundings(
            clock=dependencies.clock,
            is_leader=lambda: status.is_leader,
            jitter=jitter,
            start=start_thread,
            observer=ports.observer,
        ),
    )
