"""Telling taskmasters what to run and what to let go; keeping their leases.

Level-triggered: every answer follows from the store and from what the
taskmaster says that it holds, so that a lost answer or a restart on either
side loses nothing. What was said a moment ago is no news, or a taskmaster that
is busy obeying would be answered in circles.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from tesk_model.names import Attempt
from tesk_model.states import TaskState
from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.quota import Demand
from tesk_scheduler.domain.records import Document, TaskRecord
from tesk_scheduler.domain.takeovers import explained
from tesk_scheduler.domain.tokens import transfer_token
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.ports.surroundings import Clock
from tesk_scheduler.usecases.notifier import Notifier

# Said again after so many seconds if it had no effect: the answer may be lost.
_SAY_AGAIN = 2.0
_LONGEST_WAIT = timedelta(seconds=30)
_MEMORIES = 10_000
# Nobody rings when an attempt is released; it takes moments, and then all ends.
_LOOK_WHILE_DRAINING = 0.05
_LOOK_WHILE_OUTDATED = 0.5


class StopReason(StrEnum):
    """Why a taskmaster is to stop an attempt."""

    CANCELED = "CANCELED"
    REASSIGNED = "REASSIGNED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An attempt to take up; see ``tesk.v1.Assignment``.

    Attributes:
        demand: What the task was charged.
        began: When the attempt became INITIALIZING.
    """

    attempt: Attempt
    document: Document
    demand: Demand
    transfer_token: str
    last_sequence: int
    release_only: bool
    finished_executors: tuple[tuple[int, int], ...]
    started_executors: tuple[int, ...]
    inputs_finished: bool
    outputs_finished: bool
    began: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a taskmaster says of itself."""

    taskmaster: str
    held: frozenset[Attempt]
    slots: int
    wait: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What it is told; ``lease`` counts from when it called."""

    run: tuple[Offer, ...] = ()
    stop: tuple[tuple[Attempt, StopReason], ...] = ()
    lease: timedelta = timedelta()
    exit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On which terms taskmasters work.

    Attributes:
        secret: Transfer tokens are derived from it.
        lease: For how long a taskmaster may act without hearing from us.
        idle: After so long without work it is sent away.
        recheck: How often to look again unasked; None if this process alone
            changes the store.
        revision: Gives the one that new work goes to; a taskmaster of another
            one is sent away as soon as it has nothing left.
    """

    secret: str
    lease: timedelta
    idle: timedelta
    recheck: timedelta | None
    revision: Callable[[], str]


_Item = tuple[Attempt, StopReason | None]


@dataclass(slots=True)
class _Memory:
    """What is known of a taskmaster beyond the store; may be lost."""

    said: dict[_Item, float] = field(default_factory=dict)
    idle_since: float | None = None


class Assignment:
    """Answers taskmasters."""

    def __init__(
        self, *, store: TaskStore, clock: Clock, notifier: Notifier, terms: Terms
    ) -> None:
        self._store = store
        self._clock = clock
        self._wakeups = notifier.taskmasters
        self._leader = notifier.leader
        self._secret = terms.secret
        self._lease = terms.lease
        self._idle = terms.idle.total_seconds()
        self._recheck = (terms.recheck or _LONGEST_WAIT).total_seconds()
        self._revision = terms.revision
        self._memories: dict[str, _Memory] = {}

    def sync(self, call: Call) -> Answer:
        """Renew the lease and answer when there is something to say."""
        arrived = self._clock.now()
        member = self._renew(call, arrived)
        longest = min(call.wait, _LONGEST_WAIT, self._lease / 3).total_seconds()
        deadline = self._clock.monotonic() + max(0.0, longest)
        if len(self._memories) > _MEMORIES:  # of those that never said goodbye
            self._memories.clear()
        memory = self._memories.setdefault(call.taskmaster, _Memory())
        with self._wakeups.listening(call.taskmaster) as woken:
            while True:
                woken.clear()
                records = self._store.assigned(call.taskmaster)
                orders = _orders(records, call.held)
                is_outdated = member.revision != self._revision()
                idle = 0.0 if is_outdated else self._idle
                if self._may_go(call, records, memory, idle) and self._send_away(call):
                    return Answer(lease=self._lease, exit=True)
                left = deadline - self._clock.monotonic()
                if self._is_news(orders, memory) or left <= 0 or self._wakeups.closed:
                    break
                woken.wait(min(left, self._pause(is_outdated=is_outdated)))
        now = self._clock.monotonic()
        memory.said = {item: memory.said.get(item, now) for item in orders}
        held = {Attempt(record.id, record.attempt): record for record in records}
        return Answer(
            run=tuple(
                offer
                for attempt, reason in orders
                if reason is None and (offer := self._offer(held[attempt])) is not None
            ),
            stop=tuple(
                (attempt, reason) for attempt, reason in orders if reason is not None
            ),
            lease=member.lease_until - arrived,
        )

    def _renew(self, call: Call, now: datetime) -> Taskmaster:
        known = next(
            (each for each in self._store.fleet() if each.id == call.taskmaster), None
        )
        is_back = known is None or not known.seen or known.lease_until <= now
        # Those it was not there for still say that they wait for a taskmaster.
        waited = (
            {record.id for record in self._store.assigned(call.taskmaster)}
            if is_back
            else set()
        )
        enough = self._lease * 2 / 3
        if (
            known is not None
            and known.seen
            and known.slots == call.slots
            and known.lease_until - now > enough
        ):
            return known

        def renew(tx: Transaction) -> Taskmaster:
            member = next(
                (each for each in tx.taskmasters() if each.id == call.taskmaster),
                Taskmaster(
                    id=call.taskmaster,
                    slots=call.slots,
                    assigned=0,
                    lease_until=now,
                    seen=False,
                    started_at=now,
                ),
            )
            renewed = replace(
                member, slots=call.slots, seen=True, lease_until=now + self._lease
            )
            tx.put_taskmaster(renewed)
            for record in tx.records(waited).values():
                after = explained(record, "")
                if record.taskmaster == member.id and after is not record:
                    tx.save(record, after)
            return renewed

        member = self._store.write(renew)
        if known is None or not known.seen or known.slots != call.slots:
            self._leader.notify(urgent=True)
        return member

    def _is_news(self, orders: Iterable[_Item], memory: _Memory) -> bool:
        now = self._clock.monotonic()
        news = False
        for item in orders:
            if now - memory.said.get(item, -_SAY_AGAIN) >= _SAY_AGAIN:
                memory.said.pop(item, None)
                news = True
        return news

    def _pause(self, *, is_outdated: bool) -> float:
        """Say when to look again at one that may be about to have nothing left."""
        if self._wakeups.draining:
            return _LOOK_WHILE_DRAINING
        most = _LOOK_WHILE_OUTDATED if is_outdated else self._recheck
        return min(self._recheck, most)

    def _may_go(
        self, call: Call, records: Sequence[TaskRecord], memory: _Memory, idle: float
    ) -> bool:
        if self._wakeups.draining:
            return not records  # what it may hold is over, or another's
        if records or call.held:
            memory.idle_since = None
            return False
        now = self._clock.monotonic()
        if memory.idle_since is None:
            memory.idle_since = now
        return now - memory.idle_since >= idle

    def _send_away(self, call: Call) -> bool:
        removed = self._store.write(
            lambda tx: tx.remove_taskmaster(call.taskmaster, only_idle=True)
        )
        if removed:
            self._memories.pop(call.taskmaster, None)
            self._leader.notify(urgent=True)
        return removed

    def _offer(self, record: TaskRecord) -> Offer | None:
        document = self._store.document(record.id)
        if document is None:
            return None
        attempt = Attempt(record.id, record.attempt)
        began = record.attempt_runs and record.last_sequence > 0
        executors = self._store.executors(record.seq) if began else []
        return Offer(
            attempt=attempt,
            document=document,
            demand=record.demand,
            transfer_token=transfer_token(self._secret, attempt),
            last_sequence=record.last_sequence,
            release_only=not record.attempt_runs or _never_began(record),
            finished_executors=tuple(
                (index, code) for index, code in executors if code is not None
            ),
            started_executors=tuple(index for index, _ in executors),
            inputs_finished=record.inputs_finished,
            outputs_finished=record.outputs_finished,
            began=record.started_at,
        )


def _never_began(record: TaskRecord) -> bool:
    """Tell whether a canceled attempt was never worked on."""
    return record.state is TaskState.CANCELING and record.last_sequence == 0


def _orders(records: Iterable[TaskRecord], held: frozenset[Attempt]) -> list[_Item]:
    """List what to say: (attempt, None) to run it, (attempt, reason) to stop."""
    orders: list[_Item] = []
    assigned = set()
    for record in records:
        attempt = Attempt(record.id, record.attempt)
        assigned.add(attempt)
        if attempt not in held:
            orders.append((attempt, None))
        elif record.state is TaskState.CANCELING:
            orders.append((attempt, StopReason.CANCELED))
    gone = sorted(held - assigned)
    return orders + [(attempt, StopReason.REASSIGNED) for attempt in gone]
