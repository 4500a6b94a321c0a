"""Runs the leader's loop: keeps the fleet, does what is due, admits and deletes tasks.

One thread. It sleeps until it is notified or something is due, so that an idle
service uses no CPU.
"""

import logging
import threading
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from tesk_model.errors import ConflictError, RetryableError
from tesk_scheduler.domain.leadership import RENEWED_AFTER, TERM
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.observer import Observer
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.admission import Admission, AdmissionResult
from tesk_scheduler.usecases.due_tasks import DueTasks
from tesk_scheduler.usecases.fleet import Fleet
from tesk_scheduler.usecases.notifier import LeaderWakeup
from tesk_scheduler.usecases.retention import Retention
from tesk_scheduler.usecases.status import Status

_logger = logging.getLogger(__name__)

_WHILE_WAITING = 1.0
_WHILE_IDLE = 60.0
# Likewise, where tasks may be created by other schedulers, which do not notify this one.
_WHILE_IDLE_SHARED = 0.5
_RETRY_AFTER = 1.0
_SWEEP_EVERY = 600.0
# Seconds after which a follower reads whether the lead is free.
_FOLLOWER_RECHECK = 0.25
# Seconds of rounds of admission in a row, before taskmasters, the lead and an end of
# this process are looked at again.
_LONGEST_ADMISSION = 0.25
# A round that admitted nothing is not repeated at once for every new task: the
# loop waits for a multiple of the duration of the round.
_DEBOUNCE_FACTOR = 20
_LONGEST_DEBOUNCE = 0.5
# Not even for every task that ends, if rounds take long, as with very long queues: they
# would take the processor from everybody who calls.
_LONG_ROUND = 0.02
_PAUSE_FACTOR = 2
_LONGEST_PAUSE = 0.1


class Pauses(NamedTuple):
    """Seconds between a round and the next, while tasks wait.

    Attributes:
        debounce: After the notification of a new task.
        pause: After any, also that a task has ended.
    """

    debounce: float
    pause: float


def pauses_after(round_seconds: float) -> Pauses:
    """Return for how long to wait after a round of this duration."""
    is_long = round_seconds > _LONG_ROUND
    return Pauses(
        debounce=min(_LONGEST_DEBOUNCE, round_seconds * _DEBOUNCE_FACTOR),
        pause=min(_LONGEST_PAUSE, round_seconds * _PAUSE_FACTOR) if is_long else 0.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """This process as a candidate for the lead.

    Attributes:
        holder: Name of this process, unique.
        exclusive: No other process uses the store.
    """

    holder: str
    exclusive: bool


class LeaderLoop:
    """Reconciles fleet, queues and retention while this process leads."""

    def __init__(  # noqa: PLR0913 - the parts of a round
        self,
        *,
        store: TaskStore,
        clock: Clock,
        wakeup: LeaderWakeup,
        candidate: Candidate,
        fleet: Fleet,
        due_tasks: DueTasks,
        admission: Admission,
        retention: Retention,
        status: Status,
        observer: Observer,
    ) -> None:
        self._store = store
        self._clock = clock
        self._wakeup = wakeup
        self._candidate = candidate
        self._fleet = fleet
        self._due_tasks = due_tasks
        self._admission = admission
        self._retention = retention
        self._status = status
        self._observer = observer
        self._epoch: int | None = None
        self._has_led = False
        self._renew_at = 0.0
        self._sweep_at = 0.0
        self._pauses = Pauses(debounce=0.0, pause=0.0)
        self._awaits_room = True

    def run(self, stop: threading.Event) -> None:
        """Run until ``stop`` is set and the loop notified."""
        while not stop.is_set():
            self._awaits_room = True
            try:
                timeout = self.reconcile()
            except (RetryableError, ConflictError) as error:
                _logger.warning("round failed", extra={"cause": error.message})
                self._set_epoch(None)
                timeout = _RETRY_AFTER
            except Exception:
                _logger.exception("round failed")
                timeout = _RETRY_AFTER
            self._wakeup.wait(timeout, *self._pauses, awaits_room=self._awaits_room)
        self._release_lead()

    def reconcile(self) -> float:
        """Run one round; return seconds until the next."""
        epoch = self._hold_lead()
        if epoch is None:
            self._pauses = Pauses(debounce=_FOLLOWER_RECHECK, pause=0.0)
            return _FOLLOWER_RECHECK
        self._fleet.reconcile(epoch)
        next_due = self._due_tasks.settle(epoch)
        result = self._admit(epoch)
        # Else the end of a task changes nothing that a round would find.
        self._awaits_room = bool(result.waiting) or self._fleet.has_unassigned
        idle = _WHILE_IDLE if self._candidate.exclusive else _WHILE_IDLE_SHARED
        waits = [
            min(_WHILE_WAITING, idle) if result.waiting else idle,
            self._sweep(),
            self._until_renewal(),
            0.0 if result.may_admit_more else inf,
        ]
        if result.resume_after is not None:
            waits.append(result.resume_after.total_seconds())
        due = self._fleet.due()  # read last: admission may have failed to start one
        waits += [each.total_seconds() for each in (due, next_due) if each is not None]
        return max(0.0, min(waits))

    def _admit(self, epoch: int) -> AdmissionResult:
        """Admit tasks, in several rounds while there are more; return the last result."""
        until = self._clock.monotonic() + _LONGEST_ADMISSION
        while True:
            began = self._clock.monotonic()
            result = self._admission.admit(epoch)
            ended = self._clock.monotonic()
            self._status.round_at = self._clock.now()
            self._observer.round_ended(seconds=ended - began, admitted=result.admitted)
            if not result.may_admit_more or ended > until:
                break
        self._pauses = pauses_after(ended - began if result.waiting else 0.0)
        if result.may_admit_more:
            self._pauses = self._pauses._replace(debounce=0.0)
        return result

    def _hold_lead(self) -> int | None:
        if self._epoch is not None and self._until_renewal() > 0:
            return self._epoch
        self._set_epoch(self._take_lead() if self._may_lead() else None)
        return self._epoch

    def _may_lead(self) -> bool:
        """Read whether the lead is free or held by this process."""
        known = None if self._candidate.exclusive else self._store.leader()
        return (
            known is None
            or known.holder == self._candidate.holder
            or known.is_free(self._clock.now())
        )

    def _take_lead(self) -> int | None:
        now = self._clock.now()

        def take(tx: Transaction) -> int | None:
            return tx.acquire_lead(
                self._candidate.holder,
                now=now,
                until=now + TERM,
                force=self._candidate.exclusive,
            )

        began = self._clock.monotonic()
        epoch = self._store.write_lead(take)
        # The term began before the write, which may have waited for locks.
        self._renew_at = began + RENEWED_AFTER.total_seconds()
        return epoch

    def _set_epoch(self, epoch: int | None) -> None:
        """Set the epoch in which this process leads; None: it does not lead."""
        if epoch != self._epoch:
            fields = {"holder": self._candidate.holder, "epoch": epoch or self._epoch}
            _logger.info("lead acquired" if epoch else "lead lost", extra=fields)
        self._epoch = epoch
        self._has_led = self._has_led or epoch is not None
        self._status.is_leader = epoch is not None

    def _release_lead(self) -> None:
        """Release the lead, so that another scheduler need not wait for its end.

        Also after a round that failed: the store may still name this process.
        """
        if not self._has_led:
            return
        try:
            self._store.write_lead(lambda tx: tx.release_lead(self._candidate.holder))
        except (RetryableError, ConflictError) as error:
            _logger.warning("lead not released", extra={"cause": error.message})
        self._set_epoch(None)

    def _until_renewal(self) -> float:
        if self._candidate.exclusive and self._epoch is not None:
            return _WHILE_IDLE
        return self._renew_at - self._clock.monotonic()

    def _sweep(self) -> float:
        left = self._sweep_at - self._clock.monotonic()
        if left > 0:
            return left
        # Set first: a failing sweep must not fail every round.
        self._sweep_at = self._clock.monotonic() + _SWEEP_EVERY
        if self._retention.sweep():
            self._sweep_at = 0.0
        return max(0.0, self._sweep_at - self._clock.monotonic())
