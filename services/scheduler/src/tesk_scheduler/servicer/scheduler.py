"""A scheduler from its start to its end: serve, lead, watch the store, drain."""

import threading
from dataclasses import dataclass
from datetime import timedelta

from tesk_runtime.rpc.server import RpcServer
from tesk_scheduler.usecases.health import Health
from tesk_scheduler.usecases.idle_drain import IdleDrain
from tesk_scheduler.usecases.leader_loop import LeaderLoop
from tesk_scheduler.usecases.notifier import Notifier

_IDLE_DRAIN = timedelta(seconds=5)


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
