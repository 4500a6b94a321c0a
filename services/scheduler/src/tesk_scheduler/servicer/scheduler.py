"""Runs a scheduler from start to end: serves, leads, checks the store, drains."""

import threading
from dataclasses import dataclass, field
from datetime import timedelta

from tesk_runtime.rpc.server import RpcServer
from tesk_scheduler.ports.cluster import Cluster
from tesk_scheduler.ports.environment import Clock, IdGenerator
from tesk_scheduler.ports.launcher import TaskmasterLauncher
from tesk_scheduler.ports.observer import NoObserver, Observer
from tesk_scheduler.ports.store import TaskStore
from tesk_scheduler.usecases.health import Health
from tesk_scheduler.usecases.idle_drain import IdleDrain
from tesk_scheduler.usecases.leader_loop import LeaderLoop
from tesk_scheduler.usecases.notifier import Notifier
from tesk_scheduler.usecases.status import Status

_IDLE_DRAIN = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """What a scheduler needs of its process.

    Attributes:
        exclusive: No other process can use the store.
        cluster: That the tasks run on, if its room is to be found out.
        observer: Of what the store does not observe.
    """

    store: TaskStore
    exclusive: bool
    launcher: TaskmasterLauncher
    clock: Clock
    ids: IdGenerator
    token: str
    notifier: Notifier
    status: Status = field(default_factory=Status)
    cluster: Cluster | None = None
    observer: Observer = field(default_factory=NoObserver)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduler:
    """A scheduler, wired."""

    server: RpcServer
    leader_loop: LeaderLoop
    health: Health
    idle_drain: IdleDrain
    notifier: Notifier

    def run(self, address: str, *, stop: threading.Event, drain: timedelta) -> None:
        """Serve at ``address`` until ``stop`` is set, then drain."""
        loop = threading.Thread(
            target=self.leader_loop.run, args=(stop,), name="leading"
        )
        watch = threading.Thread(target=self.health.run, args=(stop,), name="health")
        self.server.start(address)
        for thread in (loop, watch):
            thread.start()
        stop.wait()
        self.server.set_serving(serving=False)
        self.notifier.leader.notify(urgent=True)
        loop.join()
        watch.join()
        self.idle_drain.run(min(drain, _IDLE_DRAIN))
        self.notifier.taskmasters.close()
        self.server.stop(drain)
