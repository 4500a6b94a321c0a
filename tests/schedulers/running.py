"""Runs a scheduler in this process, whose taskmasters a test plays."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from prometheus_client import CollectorRegistry

from fakes.scheduler_launcher import FakeLauncher
from fakes.scheduler_observer import ListObserver
from schedulers.databases import sqlite_database
from schedulers.served import NO_QUOTA_CHECK, QUOTA, SECONDS, TOKEN, RunningScheduler
from tesk.v1 import task_service_pb2_grpc
from tesk_runtime.clock import SystemClock
from tesk_runtime.rpc.channel import open_channel
from tesk_scheduler.adapters.event_metrics import EventMetrics
from tesk_scheduler.adapters.ids import UlidGenerator
from tesk_scheduler.adapters.observers import Observers
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.config import SchedulerSettings, Settings
from tesk_scheduler.domain.quota import Quota
from tesk_scheduler.main import build_scheduler
from tesk_scheduler.ports.quota import FixedQuota
from tesk_scheduler.servicer.scheduler import Dependencies
from tesk_scheduler.usecases.notifier import Notifier


@contextmanager
def running_scheduler(
    folder: Path, own: SchedulerSettings, *, quota: Quota = QUOTA
) -> Iterator[RunningScheduler]:
    """Run a scheduler whose database and socket are in ``folder``."""
    heard, registry = ListObserver(), CollectorRegistry()
    observer = Observers([heard, EventMetrics(registry)])
    store = SqlTaskStore.open(sqlite_database(folder / "tesk.db"), observer=observer)
    launcher, notifier = FakeLauncher(), Notifier()
    dependencies = Dependencies(
        store=store,
        deliveries=store.deliveries,
        exclusive=True,
        launcher=launcher,
        clock=SystemClock(),
        ids=UlidGenerator(),
        token=TOKEN,
        quotas=FixedQuota(quota),
        check_quota=NO_QUOTA_CHECK,
        notifier=notifier,
        observer=observer,
    )
    settings = Settings(scheduler=own)
    scheduler = build_scheduler(settings, dependencies)
    address = f"unix:{folder}/s"
    stop = threading.Event()
    thread = threading.Thread(
        target=lambda: scheduler.run(address, stop=stop, drain=SECONDS)
    )
    thread.start()
    with open_channel(address, token=TOKEN) as channel:
        grpc.channel_ready_future(channel).result(100)
        yield RunningScheduler(
            address=address,
            store=store,
            launcher=launcher,
            notifier=notifier,
            observer=heard,
            registry=registry,
            channel=channel,
            tasks=task_service_pb2_grpc.TaskServiceStub(channel),
        )
    stop.set()
    launcher.end_all()
    thread.join()
    store.close()
