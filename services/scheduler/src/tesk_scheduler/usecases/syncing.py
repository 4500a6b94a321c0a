"""Answers the calls of taskmasters: renews their leases and gives them orders."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from tesk_model.names import Attempt
from tesk_scheduler.domain.attempt_rules import AttemptRules
from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.orders import (
    Assignment,
    Order,
    Orders,
    has_new_order,
    plan_orders,
    record_given,
)
from tesk_scheduler.domain.records import AssignedAttempt
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.store import TaskStore
from tesk_scheduler.usecases.assignments import Assignments
from tesk_scheduler.usecases.call_cache import CallCache
from tesk_scheduler.usecases.call_memory import CallMemory
from tesk_scheduler.usecases.leases import Leases
from tesk_scheduler.usecases.notifier import Notifier

_LONGEST_WAIT = timedelta(seconds=30)
# Seconds: the release of an attempt causes no notification.
_RECHECK_WHILE_DRAINING = 0.05
_RECHECK_WHILE_OUTDATED = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncCall:
    """The call of a taskmaster."""

    taskmaster: str
    held: frozenset[Attempt]
    slots: int
    wait: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTerms:
    """The terms of the leases of taskmasters.

    Attributes:
        secret: Transfer tokens are derived from it.
        lease: How long a taskmaster may act without another call.
        idle: A taskmaster without attempts is told to exit after this time.
        recheck: How often to read again without a notification; None if this
            process alone changes the store.
        revision: Returns the present revision; a taskmaster of another one is
            told to exit as soon as it has no attempts.
        rules: Returns the rules for attempts that are in force.
        call_cache: See ``Assignments``.
    """

    secret: str
    lease: timedelta
    idle: timedelta
    recheck: timedelta | None
    revision: Callable[[], str]
    rules: Callable[[], AttemptRules] = AttemptRules
    call_cache: CallCache = field(default_factory=CallCache)


class Syncing:
    """Answers the calls of taskmasters."""

    def __init__(
        self, *, store: TaskStore, clock: Clock, notifier: Notifier, terms: LeaseTerms
    ) -> None:
        self._store = store
        self._clock = clock
        self._wakeups = notifier.taskmasters
        self._leader = notifier.leader
        self._idle = terms.idle.total_seconds()
        self._recheck = (terms.recheck or _LONGEST_WAIT).total_seconds()
        self._revision = terms.revision
        self._longest_wait = min(_LONGEST_WAIT, terms.lease / 3)
        self._leases = Leases(store=store, leader=notifier.leader, duration=terms.lease)
        self._assignments = Assignments(
            store=store,
            secret=terms.secret,
            rules=terms.rules,
            call_cache=terms.call_cache,
        )
        # A taskmaster that does not call for the time of a lease is lost.
        self._memory = CallMemory(terms.lease.total_seconds())

    def sync(self, call: SyncCall) -> Orders:
        """Renew the lease, and respond when there is something to do."""
        arrived = self._clock.now()
        member = self._leases.renew(call.taskmaster, call.slots, arrived)
        lease = member.lease_until - arrived
        longest = min(call.wait, self._longest_wait).total_seconds()
        deadline = self._clock.monotonic() + max(0.0, longest)
        with self._wakeups.listening(call.taskmaster) as woken:
            while True:
                woken.clear()
                assigned = self._store.assigned_attempts(call.taskmaster)
                if self._may_exit(call, member, assigned) and self._remove(call):
                    return Orders(lease=lease, exit=True)
                orders = plan_orders(assigned, call.held)
                if self._is_due(call, orders, deadline):
                    return self._respond(call, orders, lease)
                self._wait(woken, member, deadline)

    def _may_exit(
        self, call: SyncCall, member: Taskmaster, assigned: Sequence[AssignedAttempt]
    ) -> bool:
        """Tell whether a taskmaster may exit if nothing is assigned to it."""
        now = self._clock.monotonic()
        state = self._memory.get(call.taskmaster)
        since = None
        if not assigned and not call.held:
            since = now if state.idle_since is None else state.idle_since
        self._memory.put(call.taskmaster, replace(state, idle_since=since), now)
        if self._wakeups.draining:
            return not assigned  # what it holds has ended or been reassigned
        longest = 0.0 if self._is_outdated(member) else self._idle
        return since is not None and now - since >= longest

    def _remove(self, call: SyncCall) -> bool:
        """Delete a taskmaster, unless an attempt was just assigned to it."""
        removed = self._store.write(
            lambda tx: tx.remove_taskmaster(call.taskmaster, only_idle=True)
        )
        if removed:
            self._memory.forget(call.taskmaster)
            self._leader.notify(urgent=True)
        return removed

    def _is_due(self, call: SyncCall, orders: Sequence[Order], deadline: float) -> bool:
        now = self._clock.monotonic()
        given = self._memory.get(call.taskmaster).given
        return (
            self._wakeups.closed or now >= deadline or has_new_order(orders, given, now)
        )

    def _respond(
        self, call: SyncCall, orders: Sequence[Order], lease: timedelta
    ) -> Orders:
        now = self._clock.monotonic()
        state = self._memory.get(call.taskmaster)
        given = record_given(orders, state.given, now)
        self._memory.put(call.taskmaster, replace(state, given=given), now)
        to_run = [
            order.attempt
            for order in orders
            if order.stop is None and order.finished is None
        ]
        return Orders(
            run=tuple(self._assignments_of(call.taskmaster, to_run)),
            stop=tuple(
                (order.attempt, order.stop)
                for order in orders
                if order.stop is not None
            ),
            finished=tuple(
                (order.attempt, order.finished)
                for order in orders
                if order.finished is not None
            ),
            lease=lease,
        )

    def _assignments_of(
        self, taskmaster: str, attempts: Sequence[Attempt]
    ) -> Iterator[Assignment]:
        """Build those of attempts that are still assigned to a taskmaster."""
        wanted = set(attempts)
        records = self._store.assigned(taskmaster) if wanted else []
        return self._assignments.of(
            [each for each in records if Attempt(each.id, each.attempt) in wanted]
        )

    def _wait(
        self, woken: threading.Event, member: Taskmaster, deadline: float
    ) -> None:
        """Wait for a notification; recheck soon if the taskmaster may soon exit."""
        recheck = self._recheck
        if self._wakeups.draining:
            recheck = _RECHECK_WHILE_DRAINING
        elif self._is_outdated(member):
            recheck = min(recheck, _RECHECK_WHILE_OUTDATED)
        woken.wait(max(0.0, min(deadline - self._clock.monotonic(), recheck)))

    def _is_outdated(self, member: Taskmaster) -> bool:
        """Tell whether a taskmaster gets no more attempts."""
        return member.dedicated or not member.is_current(self._revision())
