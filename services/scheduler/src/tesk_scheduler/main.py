"""Wires and runs the scheduler process."""

import logging
import os
import platform
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from tesk_model.errors import TeskError
from tesk_runtime import logs, process_memory
from tesk_runtime.clock import SystemClock
from tesk_runtime.sections import read_token, state_home
from tesk_runtime.settings import SettingsError, load
from tesk_runtime.shutdown import stop_on_signals
from tesk_runtime.tracing import open_tracer
from tesk_runtime.unknown_variables import log_unknown_variables
from tesk_scheduler.adapters.ids import UlidGenerator
from tesk_scheduler.adapters.local_launcher import LocalLauncher
from tesk_scheduler.adapters.machine import machine_capacity
from tesk_scheduler.adapters.metrics import StoreCollector, serve_metrics
from tesk_scheduler.adapters.observers import make_observer
from tesk_scheduler.adapters.store.clock import StoreClock
from tesk_scheduler.adapters.store.engines import DatabaseInUseError, sqlite_url
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.config import SchedulerSettings, Settings, taskmaster_environment
from tesk_scheduler.domain.capacity import Capacity
from tesk_scheduler.domain.fleet import FleetLimits
from tesk_scheduler.domain.quota import Limit, Quota
from tesk_scheduler.ports.cluster import Cluster
from tesk_scheduler.ports.launcher import TaskmasterLauncher
from tesk_scheduler.quota_config import (
    default_demand,
    given_capacity,
    node_reserve,
    quota_from_settings,
)
from tesk_scheduler.servicer.assignments import AssignmentServicer
from tesk_scheduler.servicer.scheduler import Dependencies, Scheduler
from tesk_scheduler.servicer.server import Servicers, make_server
from tesk_scheduler.servicer.tasks import TaskServicer
from tesk_scheduler.servicer.transfers import TransferServicer
from tesk_scheduler.servicer.wire import declaration_of
from tesk_scheduler.usecases.admission import Admission
from tesk_scheduler.usecases.cancellation import Cancellation
from tesk_scheduler.usecases.capacity import ClusterCapacity
from tesk_scheduler.usecases.fleet import Fleet
from tesk_scheduler.usecases.health import Health
from tesk_scheduler.usecases.idle_drain import IdleDrain
from tesk_scheduler.usecases.leader_loop import Candidate, LeaderLoop
from tesk_scheduler.usecases.notifier import Notifier
from tesk_scheduler.usecases.reading import Reading
from tesk_scheduler.usecases.reporting import Reporting
from tesk_scheduler.usecases.retention import Retention
from tesk_scheduler.usecases.status import Status
from tesk_scheduler.usecases.submission import Submission
from tesk_scheduler.usecases.syncing import LeaseTerms, Syncing
from tesk_scheduler.usecases.transfers import Transfers

_logger = logging.getLogger(__name__)
_CALLS_AT_ONCE = 16
_TERM = timedelta(seconds=6)
_RECHECK = timedelta(seconds=1)


def main() -> None:
    """Run until SIGTERM."""
    try:
        settings = load(Settings, os.environ)
        token = read_token(settings.grpc.token_file)
        logs.configure("scheduler", settings.log)
        log_unknown_variables(os.environ, Settings)
        _run(settings, token, stop_on_signals())
    except (SettingsError, ValueError, TeskError, DatabaseInUseError) as error:
        sys.exit(f"tesk-scheduler: {error}")
    except (RuntimeError, OSError) as error:
        sys.exit(f"tesk-scheduler: cannot start: {error}")


def _run(settings: Settings, token: str, stop: threading.Event) -> None:
    own = settings.scheduler
    home = state_home(settings.local, os.environ)
    in_cluster = own.launcher == "kubernetes"
    if not in_cluster or not own.database:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    notifier, status = Notifier(), Status()
    changed = partial(notifier.leader.notify, urgent=True)
    with ExitStack() as stack:
        registry = CollectorRegistry()
        tracer = open_tracer("scheduler", settings.tracing)
        stack.callback(tracer.close)
        observer = make_observer(registry, tracer)
        url = own.database or sqlite_url(home / "tesk.db")
        store = SqlTaskStore.open(url, observer=observer)
        stack.callback(store.close)
        launcher, cluster = (
            _cluster(settings, changed, stack)
            if in_cluster
            else (_local_launcher(settings, changed, home), None)
        )
        if own.metrics_listen:
            registry.register(StoreCollector(store, launcher.revision, status))
            stack.callback(serve_metrics(own.metrics_listen, registry))
        dependencies = Dependencies(
            store=store,
            exclusive=store.exclusive,
            launcher=launcher,
            clock=StoreClock(store, SystemClock()),
            ids=UlidGenerator(),
            token=token,
            notifier=notifier,
            status=status,
            cluster=cluster,
            observer=observer,
        )
        capacity = Limit() if in_cluster else machine_capacity(home)
        quota = quota_from_settings(settings.quota, capacity)
        scheduler = build_scheduler(settings, quota, dependencies)
        process_memory.tune_collector()
        _logger.info("serving", extra={"address": own.listen})
        scheduler.run(own.listen, stop=stop, drain=own.drain)


def _local_launcher(
    settings: Settings, changed: Callable[[], None], home: Path
) -> LocalLauncher:
    return LocalLauncher(
        home / "taskmasters",
        environment=taskmaster_environment(settings, os.environ, home),
        changed=changed,
    )


def _cluster(
    settings: Settings, changed: Callable[[], None], stack: ExitStack
) -> tuple[TaskmasterLauncher, Cluster | None]:
    # The client of Kubernetes takes memory and time that one machine need not spend.
    from tesk_scheduler.adapters.kubernetes.cluster import (  # noqa: PLC0415
        open_cluster,
    )

    return open_cluster(
        settings.kubernetes,
        os.environ,
        clock=SystemClock(),
        changed=changed,
        reserve=node_reserve(settings.quota),
        closing=stack,
    )


def build_scheduler(
    settings: Settings, quota: Quota, dependencies: Dependencies
) -> Scheduler:
    """Wire a scheduler; tests do so with fakes around it."""
    own = settings.scheduler
    server = make_server(
        _servicers(settings, quota, dependencies),
        settings.grpc,
        token=dependencies.token,
        observer=dependencies.observer,
        # Taskmasters of earlier revisions call, too.
        threads=_CALLS_AT_ONCE + 2 * own.max_taskmasters,
    )
    fleet = _fleet(own, dependencies)
    return Scheduler(
        server=server,
        leader_loop=_leader_loop(settings, quota, dependencies, fleet),
        health=Health(
            store=dependencies.store,
            status=dependencies.status,
            set_ready=lambda ready: server.set_serving(serving=ready),
        ),
        idle_drain=IdleDrain(
            fleet=fleet,
            wakeups=dependencies.notifier.taskmasters,
            clock=dependencies.clock,
            # Pods stay for the next scheduler, and go when TESK is uninstalled.
            exclusive=dependencies.exclusive and own.launcher == "local",
        ),
        notifier=dependencies.notifier,
    )


def _servicers(
    settings: Settings, quota: Quota, dependencies: Dependencies
) -> Servicers:
    store, clock = dependencies.store, dependencies.clock
    notifier, observer = dependencies.notifier, dependencies.observer
    tasks = TaskServicer(
        submission=Submission(
            store=store,
            clock=clock,
            ids=dependencies.ids,
            quota=quota,
            defaults=default_demand(settings.quota, quota),
            leader=notifier.leader,
        ),
        reading=Reading(store=store, secret=dependencies.token, observer=observer),
        cancellation=Cancellation(store=store, clock=clock, notifier=notifier),
    )
    transfers = Transfers(
        store=store, clock=clock, declaration_of=declaration_of, observer=observer
    )
    return Servicers(
        tasks=tasks,
        assignments=_assignments(settings.scheduler, dependencies),
        transfers=TransferServicer(transfers=transfers, secret=dependencies.token),
    )


def _assignments(
    own: SchedulerSettings, dependencies: Dependencies
) -> AssignmentServicer:
    store, clock = dependencies.store, dependencies.clock
    terms = LeaseTerms(
        secret=dependencies.token,
        lease=own.lease,
        idle=own.idle,
        recheck=None if dependencies.exclusive else _RECHECK,
        revision=dependencies.launcher.revision,
    )
    return AssignmentServicer(
        syncing=Syncing(
            store=store, clock=clock, notifier=dependencies.notifier, terms=terms
        ),
        reporting=Reporting(
            store=store,
            clock=clock,
            leader=dependencies.notifier.leader,
            max_attempts=own.max_attempts,
        ),
    )


def _fleet(own: SchedulerSettings, dependencies: Dependencies) -> Fleet:
    return Fleet(
        store=dependencies.store,
        launcher=dependencies.launcher,
        clock=dependencies.clock,
        ids=dependencies.ids,
        wakeups=dependencies.notifier.taskmasters,
        limits=FleetLimits(
            taskmasters=own.max_taskmasters,
            tasks_per_taskmaster=own.tasks_per_taskmaster,
            start_timeout=own.effective_start_timeout,
            takeovers=own.max_takeovers,
            attempts=own.max_attempts,
        ),
    )


def _leader_loop(
    settings: Settings, quota: Quota, dependencies: Dependencies, fleet: Fleet
) -> LeaderLoop:
    own, store, clock = settings.scheduler, dependencies.store, dependencies.clock
    return LeaderLoop(
        store=store,
        clock=clock,
        wakeup=dependencies.notifier.leader,
        candidate=Candidate(
            holder=f"{platform.node()}/{dependencies.ids.taskmaster_id()}",
            term=_TERM,
            exclusive=dependencies.exclusive,
        ),
        status=dependencies.status,
        fleet=fleet,
        admission=Admission(
            store=store,
            clock=clock,
            fleet=fleet,
            quota=quota,
            reserve_after=settings.quota.reserve_after,
            cluster=_cluster_capacity(settings, dependencies, fleet),
        ),
        retention=Retention(store=store, clock=clock, keep=own.retention),
    )


def _cluster_capacity(
    settings: Settings, dependencies: Dependencies, fleet: Fleet
) -> Callable[[], Capacity] | None:
    if dependencies.cluster is None:
        return None
    return ClusterCapacity(
        store=dependencies.store,
        clock=dependencies.clock,
        cluster=dependencies.cluster,
        given=given_capacity(settings.quota),
        stuck_after=settings.quota.reserve_after,
        taskmasters=fleet.taskmaster_counts,
    ).now
