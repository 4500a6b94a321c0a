"""The scheduler as a process: the one place that knows every part."""

import logging
import os
import platform
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

from tesk_model.errors import TeskError
from tesk_runtime import logs, process_memory
from tesk_runtime.clock import SystemClock
from tesk_runtime.sections import read_token, state_home
from tesk_runtime.settings import SettingsError, load
from tesk_runtime.shutdown import stop_on_signals
from tesk_scheduler.adapters.ids import UlidNames
from tesk_scheduler.adapters.local_launcher import LocalLauncher
from tesk_scheduler.adapters.machine import machine_capacity
from tesk_scheduler.adapters.metrics import StoreCollector, serve_metrics
from tesk_scheduler.adapters.store.clock import StoreClock
from tesk_scheduler.adapters.store.engines import DatabaseInUseError, sqlite_url
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.config import SchedulerSettings, Settings, taskmaster_environment
from tesk_scheduler.domain.capacity import Capacity
from tesk_scheduler.domain.fleet import FleetLimits
from tesk_scheduler.domain.quota import Limit, Quota
from tesk_scheduler.ports.cluster import Cluster
from tesk_scheduler.ports.environment import Clock, Names
from tesk_scheduler.ports.launcher import TaskmasterLauncher
from tesk_scheduler.ports.store import TaskStore
from tesk_scheduler.quota_config import (
    default_demand,
    given_capacity,
    node_reserve,
    quota_from_settings,
)
from tesk_scheduler.servicer.assignments import AssignmentServicer
from tesk_scheduler.servicer.scheduler import Scheduler
from tesk_scheduler.servicer.server import Servicers, make_server
from tesk_scheduler.servicer.tasks import TaskServicer
from tesk_scheduler.servicer.transfers import TransferServicer
from tesk_scheduler.servicer.wire import declared_of
from tesk_scheduler.usecases.admission import Admission
from tesk_scheduler.usecases.cancellation import Cancellation
from tesk_scheduler.usecases.capacity import ClusterCapacity
from tesk_scheduler.usecases.fleet import Fleet
from tesk_scheduler.usecases.health import Health
from tesk_scheduler.usecases.idle_drain import IdleDrain
from tesk_scheduler.usecases.leader_loop import Lead, Leading
from tesk_scheduler.usecases.notifier import Notifier
from tesk_scheduler.usecases.reading import Reading
from tesk_scheduler.usecases.reporting import Reporting
from tesk_scheduler.usecases.retention import Retention
from tesk_scheduler.usecases.status import Status
from tesk_scheduler.usecases.submission import Submission
from tesk_scheduler.usecases.syncing import Syncing, Terms
from tesk_scheduler.usecases.transfers import Transfers

_LOG = logging.getLogger(__name__)
_CALLS_AT_ONCE = 16
_TERM = timedelta(seconds=6)
_RECHECK = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a scheduler needs of its process.

    Attributes:
        exclusive: No other process can use the store.
        cluster: That the tasks run on, if its room is to be found out.
    """

    store: TaskStore
    exclusive: bool
    launcher: TaskmasterLauncher
    clock: Clock
    names: Names
    token: str
    notifier: Notifier
    status: Status = field(default_factory=Status)
    cluster: Cluster | None = None


def main() -> None:
    """Run until SIGTERM."""
    try:
        settings = load(Settings, os.environ)
        token = read_token(settings.grpc.token_file)
        logs.configure("scheduler", settings.log)
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
        store = SqlTaskStore.open(own.database or sqlite_url(home / "tesk.db"))
        stack.callback(store.close)
        launcher, cluster = (
            _cluster(settings, changed, stack)
            if in_cluster
            else (_local_launcher(settings, changed, home), None)
        )
        if own.metrics_listen:
            collector = StoreCollector(store, launcher.revision, status)
            stack.callback(serve_metrics(own.metrics_listen, collector))
        around = Surroundings(
            store=store,
            exclusive=store.exclusive,
            launcher=launcher,
            clock=StoreClock(store, SystemClock()),
            names=UlidNames(),
            token=token,
            notifier=notifier,
            status=status,
            cluster=cluster,
        )
        capacity = Limit() if in_cluster else machine_capacity(home)
        quota = quota_from_settings(settings.quota, capacity)
        scheduler = build_scheduler(settings, quota, around)
        process_memory.tune_collector()
        _LOG.info("serving", extra={"address": own.listen})
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
    # Its client takes memory and start-up time that one machine need not spend.
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
    settings: Settings, quota: Quota, around: Surroundings
) -> Scheduler:
    """Wire a scheduler; tests do so with fakes around it."""
    own = settings.scheduler
    server = make_server(
        _servicers(settings, quota, around),
        settings.grpc,
        token=around.token,
        # Those of earlier revisions call, too.
        threads=_CALLS_AT_ONCE + 2 * own.max_taskmasters,
    )
    fleet = _fleet(own, around)
    return Scheduler(
        server=server,
        leading=_leading(settings, quota, around, fleet),
        health=Health(
            store=around.store,
            status=around.status,
            tell=lambda ready: server.set_serving(serving=ready),
        ),
        idle_drain=IdleDrain(
            fleet=fleet,
            wakeups=around.notifier.taskmasters,
            clock=around.clock,
            # Pods stay for the next scheduler, and go when TESK is uninstalled.
            alone=around.exclusive and own.launcher == "local",
        ),
        notifier=around.notifier,
    )


def _servicers(settings: Settings, quota: Quota, around: Surroundings) -> Servicers:
    own = settings.scheduler
    store, clock, notifier = around.store, around.clock, around.notifier
    tasks = TaskServicer(
        submission=Submission(
            store=store,
            clock=clock,
            names=around.names,
            quota=quota,
            defaults=default_demand(settings.quota, quota),
            leader=notifier.leader,
        ),
        reading=Reading(store=store, secret=around.token),
        cancellation=Cancellation(store=store, clock=clock, notifier=notifier),
    )
    assignments = AssignmentServicer(
        syncing=Syncing(
            store=store,
            clock=clock,
            notifier=notifier,
            terms=Terms(
                secret=around.token,
                lease=own.lease,
                idle=own.idle,
                recheck=None if around.exclusive else _RECHECK,
                revision=around.launcher.revision,
            ),
        ),
        reporting=Reporting(
            store=store,
            clock=clock,
            leader=notifier.leader,
            status=around.status,
            max_attempts=own.max_attempts,
        ),
    )
    transfers = TransferServicer(
        transfers=Transfers(store=store, clock=clock, declared=declared_of),
        secret=around.token,
    )
    return Servicers(tasks=tasks, assignments=assignments, transfers=transfers)


def _fleet(own: SchedulerSettings, around: Surroundings) -> Fleet:
    return Fleet(
        store=around.store,
        launcher=around.launcher,
        clock=around.clock,
        names=around.names,
        wakeups=around.notifier.taskmasters,
        limits=FleetLimits(
            taskmasters=own.max_taskmasters,
            tasks_per_taskmaster=own.tasks_per_taskmaster,
            start_within=own.start_within,
            takeovers=own.max_takeovers,
            attempts=own.max_attempts,
        ),
    )


def _leading(
    settings: Settings, quota: Quota, around: Surroundings, fleet: Fleet
) -> Leading:
    own, store, clock = settings.scheduler, around.store, around.clock
    return Leading(
        store=store,
        clock=clock,
        wakeup=around.notifier.leader,
        lead=Lead(
            holder=f"{platform.node()}/{around.names.taskmaster_id()}",
            term=_TERM,
            alone=around.exclusive,
        ),
        status=around.status,
        fleet=fleet,
        admission=Admission(
            store=store,
            clock=clock,
            fleet=fleet,
            quota=quota,
            patience=settings.quota.patience,
            cluster=_room(settings, around, fleet),
        ),
        retention=Retention(store=store, clock=clock, keep=own.retention),
    )


def _room(
    settings: Settings, around: Surroundings, fleet: Fleet
) -> Callable[[], Capacity] | None:
    if around.cluster is None:
        return None
    return ClusterCapacity(
        store=around.store,
        clock=around.clock,
        cluster=around.cluster,
        given=given_capacity(settings.quota),
        stuck_after=settings.quota.patience,
        staff=fleet.staff,
    ).now
