"""Runs a scheduler from start to end: serves, leads, checks the store, drains."""

import threading
from dataclasses import dataclass, field
from datetime import timedelta

from tesk_runtime.rpc.server import RpcServer
from tesk_scheduler.ports.cluster import Cluster
from tesk_scheduler.ports.environment import (
    Clock,
    IdGenerator,
    Namespaces,
    no_namespace,
)
from tesk_scheduler.ports.launcher import TaskmasterLauncher
from tesk_scheduler.ports.observer import NoObserver, Observer
from tesk_scheduler.ports.quota import QuotaCheck, QuotaSource
from tesk_scheduler.ports.store import TaskStore
from tesk_scheduler.ports.task_objects import NoTaskObjects, TaskObjects
from tesk_scheduler.ports.webhooks import DeliveryStore, WebhookPorts
from tesk_scheduler.usecases.health import Health
from tesk_scheduler.usecases.idle_drain import IdleDrain
from tesk_scheduler.usecases.leader_loop import LeaderLoop
from tesk_scheduler.usecases.notifier import Notifier
from tesk_scheduler.usecases.status import Status
from tesk_scheduler.usecases.webhooks.dispatching import Dispatcher
from tesk_scheduler.usecases.webhooks.wakeup import DispatchWakeup

_IDLE_DRAIN = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """What a scheduler needs of its process.

    Attributes:
        exclusive: No other process can use the store.
        namespace_of: Of the cluster that the tasks run on, if they do.
        namespaces: Those that it chooses from.
        cluster: That the tasks run on, if its room is to be found out.
        task_objects: Those of tasks, where they run in a cluster.
        observer: Of what the store does not observe.
        deliveries: Of webhooks, in the store.
        webhooks: None where there are none.
    """

    store: TaskStore
    exclusive: bool
    launcher: TaskmasterLauncher
    clock: Clock
    ids: IdGenerator
    token: str
    quotas: QuotaSource
    check_quota: QuotaCheck
    notifier: Notifier
    deliveries: DeliveryStore
    status: Status = field(default_factory=Status)
    namespace_of: Namespaces = no_namespace
    namespaces: tuple[str, ...] = ()
    cluster: Cluster | None = None
    task_objects: TaskObjects = field(default_factory=NoTaskObjects)
    observer: Observer = field(default_factory=NoObserver)
    webhooks: WebhookPorts | None = None
    webhook_wakeup: DispatchWakeup = field(default_factory=DispatchWakeup)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduler:
    """A scheduler, wired."""

    server: RpcServer
    leader_loop: LeaderLoop
    health: Health
    idle_drain: IdleDrain
    notifier: Notifier
    dispatcher: Dispatcher | None = None

    def run(self, address: str, *, stop: threading.Event, drain: timedelta) -> None:
        """Serve at ``address`` until ``stop`` is set, then drain."""
        loop = threading.Thread(
            target=self.leader_loop.run, args=(stop,), name="leading"
        )
        watch = threading.Thread(target=self.health.run, args=(stop,), name="health")
        threads = [loop, watch]
        if self.dispatcher is not None:
            run = self.dispatcher.run
            threads.append(threading.Thread(target=run, args=(stop,), name="webhooks"))
        self.server.start(address)
        for thread in threads:
            thread.start()
        stop.wait()
        self.server.set_serving(serving=False)
        self.notifier.leader.notify(urgent=True)
        if self.dispatcher is not None:
            self.dispatcher.wake()
        for thread in threads:
            thread.join()
        self.idle_drain.run(min(drain, _IDLE_DRAIN))
        self.notifier.taskmasters.close()
        self.server.stop(drain)
