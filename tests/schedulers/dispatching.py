"""Deliveries of webhooks whose receivers, cycles and clock a test controls."""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from builders.scheduler_tasks import NOON, make_new_task
from builders.webhooks import RULES
from fakes.scheduler_environment import FrozenClock
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.transitions import admitted, with_state
from tesk_scheduler.domain.webhooks.deliveries import (
    Delivery,
    Response,
    SendResult,
    Settled,
)
from tesk_scheduler.domain.webhooks.targets import Target, Targets
from tesk_scheduler.ports.store import Transaction
from tesk_scheduler.ports.webhooks import Bounds, Trimmed
from tesk_scheduler.usecases.webhooks.dispatching import (
    Dispatcher,
    DispatchRules,
    Surroundings,
)
from tesk_scheduler.usecases.webhooks.expansion import Expansion
from tesk_scheduler.usecases.webhooks.wakeup import DispatchWakeup

HOUR = timedelta(hours=1)
ACCEPTED = SendResult(response=Response.ACCEPTED)
_BOUNDS = Bounds(
    pending=1000,
    dead=1000,
    max_age=HOUR,
    keep_dead=timedelta(days=1),
)


@dataclass
class Receivers:
    """A ``Sender`` whose receivers answer as the test says, by target."""

    responses: dict[str, SendResult] = field(
        default_factory=lambda: defaultdict(lambda: ACCEPTED)
    )
    got: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    breaks: bool = False

    def send(self, delivery: Delivery, target: Target) -> SendResult:
        if self.breaks:
            raise RuntimeError("a bug")
        self.got.append((target.name, delivery.event_id))
        self.bodies.append(delivery.body)
        return self.responses[target.name]

    def states(self, target: str, task: str = "") -> list[str]:
        """Return the states that a receiver heard of, in order."""
        return [
            json.loads(body)["data"]["state"]
            for (name, event), body in zip(self.got, self.bodies, strict=True)
            if name == target and event.startswith(task)
        ]


@dataclass
class Heard:
    """A ``DeliveryObserver`` that keeps what it hears."""

    outcomes: list[str] = field(default_factory=list)
    losses: int = 0

    tries: list[tuple[str, Response]] = field(default_factory=list)

    def tried(self, delivery: Delivery, result: SendResult, seconds: float) -> None:
        assert seconds >= 0
        self.tries.append((delivery.event_id, result.response))

    def settled(self, settled: Settled) -> None:
        self.outcomes.append(settled.outcome.value)

    def trimmed(self, trimmed: Trimmed) -> None:
        assert trimmed.dead >= 0

    def lost(self) -> None:
        self.losses += 1


@dataclass
class Listed:
    """A ``TargetSource`` that a test changes."""

    targets: Targets = field(default_factory=Targets)

    def current(self) -> Targets:
        return self.targets


class DispatchHarness:
    """A store, receivers, and dispatchers whose cycles a test runs."""

    def __init__(self, store: SqlTaskStore, *targets: Target) -> None:
        self.store = store
        self.clock = FrozenClock(NOON)
        self.receivers, self.heard = Receivers(), Heard()
        self.listed = Listed(Targets(targets))
        self.leads = True
        self.waiting: list[Callable[[], None]] = []
        self.holds = False
        self.dispatcher = self.another()
        self.run()  # from here on

    def another(self) -> Dispatcher:
        """Return a dispatcher, as that of a scheduler that was started."""
        return Dispatcher(
            store=self.store.deliveries,
            expansion=Expansion(
                store=self.store,
                deliveries=self.store.deliveries,
                targets=self.listed,
                tags_of=lambda _document: {"project": "x"},
                observer=self.heard,
                source="/tes",
            ),
            targets=self.listed,
            sender=self.receivers,
            rules=DispatchRules(
                deliveries=replace(RULES, max_tries=5, max_age=HOUR),
                bounds=_BOUNDS,
                parallel=8,
                exclusive=True,
            ),
            wakeup=DispatchWakeup(),
            surroundings=Surroundings(
                clock=self.clock,
                is_leader=lambda: self.leads,
                jitter=lambda: 1.0,
                start=self._start,
                observer=self.heard,
            ),
        )

    def _start(self, work: Callable[[], None]) -> None:
        if self.holds:
            self.waiting.append(work)
        else:
            work()

    def run(self, cycles: int = 20) -> None:
        """Run cycles without any time between them."""
        for _ in range(cycles):
            self.dispatcher.cycle()

    def create(self, *ids: str, webhook: str = "", owner: str = "alice") -> None:
        tasks = [
            make_new_task(each, webhook=webhook, owner=owner, groups=("g",))
            for each in ids
        ]
        self.store.write(lambda tx: tx.add_tasks(tasks))

    def finish(self, *ids: str) -> None:
        """Let tasks run and end."""
        for task_id in map(TaskId, ids):
            self._move(task_id, None)
            for state in (TaskState.RUNNING, TaskState.COMPLETE):
                self._move(task_id, state)

    def _move(self, task_id: TaskId, state: TaskState | None) -> None:
        def move(tx: Transaction) -> None:
            record = tx.records([task_id])[task_id]
            now = self.clock.now()
            after = (
                admitted(record, "tm-1", now)
                if state is None
                else with_state(record, state, now)
            )
            tx.save(record, after)

        self.store.write(move)
