"""Wires and runs the scheduler process."""

import logging
import os
import platform
import sys
import threading
from contextlib import ExitStack

from tesk_model.errors import TeskError
from tesk_runtime import logs, process_memory
from tesk_runtime.sections import read_token
from tesk_runtime.settings import SettingsError, load
from tesk_runtime.shutdown import stop_on_signals
from tesk_runtime.unknown_variables import log_unknown_variables
from tesk_scheduler.adapters.store.engines import DatabaseInUseError
from tesk_scheduler.attempt_config import attempt_rules
from tesk_scheduler.config import SchedulerSettings, Settings
from tesk_scheduler.domain.fleet import FleetLimits
from tesk_scheduler.service_wiring import (
    Rules,
    capacity_of_cluster,
    make_call_cache,
    make_retention,
    make_servicers,
)
from tesk_scheduler.servicer.scheduler import Dependencies, Scheduler
from tesk_scheduler.servicer.server import make_server
from tesk_scheduler.usecases.admission import Admission
from tesk_scheduler.usecases.due_tasks import DueTasks
from tesk_scheduler.usecases.fleet import Fleet
from tesk_scheduler.usecases.health import Health
from tesk_scheduler.usecases.idle_drain import IdleDrain
from tesk_scheduler.usecases.leader_loop import Candidate, LeaderLoop
from tesk_scheduler.wiring import make_dispatcher, open_dependencies

_logger = logging.getLogger(__name__)
_CALLS_AT_ONCE = 16


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
    with ExitStack() as stack:
        dependencies = open_dependencies(
            settings, os.environ, token=token, closing=stack
        )
        serve(settings, dependencies, stop)


def serve(
    settings: Settings, dependencies: Dependencies, stop: threading.Event
) -> None:
    """Run a scheduler until ``stop`` is set."""
    own = settings.scheduler
    scheduler = build_scheduler(settings, dependencies)
    process_memory.tune_collector()
    _logger.info("serving", extra={"address": own.listen})
    scheduler.run(own.listen, stop=stop, drain=own.drain)


def build_scheduler(settings: Settings, dependencies: Dependencies) -> Scheduler:
    """Wire a scheduler; tests do so with fakes around it."""
    own = settings.scheduler
    rules = attempt_rules(own, dependencies.quotas.current)
    fleet = _fleet(own, dependencies, rules)
    server = make_server(
        make_servicers(settings, dependencies, fleet, rules),
        settings.grpc,
        token=dependencies.token,
        observer=dependencies.observer,
        # Taskmasters of earlier revisions call, too.
        threads=_CALLS_AT_ONCE + 2 * own.max_taskmasters,
    )
    return Scheduler(
        server=server,
        leader_loop=_leader_loop(settings, dependencies, fleet, rules),
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
        dispatcher=make_dispatcher(settings.webhooks, dependencies),
    )


def _fleet(own: SchedulerSettings, dependencies: Dependencies, rules: Rules) -> Fleet:
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
            rules=rules,
        ),
    )


def _leader_loop(
    settings: Settings, dependencies: Dependencies, fleet: Fleet, rules: Rules
) -> LeaderLoop:
    own, store, clock = settings.scheduler, dependencies.store, dependencies.clock
    return LeaderLoop(
        store=store,
        clock=clock,
        wakeup=dependencies.notifier.leader,
        candidate=Candidate(
            holder=f"{platform.node()}/{dependencies.ids.taskmaster_id()}",
            exclusive=dependencies.exclusive,
        ),
        status=dependencies.status,
        fleet=fleet,
        due_tasks=DueTasks(
            store=store,
            clock=clock,
            wakeups=dependencies.notifier.taskmasters,
            rules=rules,
        ),
        admission=Admission(
            store=store,
            clock=clock,
            fleet=fleet,
            quotas=dependencies.quotas,
            cluster=capacity_of_cluster(dependencies, fleet),
            call_cache=make_call_cache(own),
        ),
        retention=make_retention(own, dependencies),
        observer=dependencies.observer,
    )
