"""Runs the leader's loop: keeps the fleet, admits tasks, deletes old ones.

One thread. It sleeps until it is notified or something is due, so that an idle
service uses no CPU.
"""

import logging
import threading
from dataclasses import dataclass
from datetime import timedelta

from tesk_model.errors import ConflictError, RetryableError
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.admission import Admission
from tesk_scheduler.usecases.fleet import Fleet
from tesk_scheduler.usecases.notifier import LeaderWakeup
from tesk_scheduler.usecases.retention import Retention
from tesk_scheduler.usecases.status import Status

_logger = logging.getLogger(__name__)

_WHILE_WAITING = 1.0
_WHILE_IDLE = 60.0
_RETRY_AFTER = 1.0
_SWEEP_EVERY = 600.0
# Seconds after which a follower reads whether the lead is free.
_FOLLOWER_RECHECK = 0.25
# A round that admitted nothing is not repeated at once for every new task: the
# loop waits for a multiple of the duration of the round.
_DEBOUNCE_FACTOR = 20
_LONGEST_DEBOUNCE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """This process as a candidate for the lead.

    Attributes:
        holder: Name of this process, unique.
        term: How long the lead lasts unless it is renewed.
        exclusive: No other process uses the store.
    """

    holder: str
    term: timedelta
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
        admission: Admission,
        retention: Retention,
        status: Status,
    ) -> None:
        self._store = store
        self._clock = clock
        self._wakeup = wakeup
        self._candidate = candidate
        self._fleet = fleet
        self._admission = admission
        self._retention = retention
        self._status = status
        self._epoch: int | None = None
        self._renew_at = 0.0
        self._sweep_at = 0.0
        self._debounce = 0.0

    def run(self, stop: threading.Event) -> None:
        """Run until ``stop`` is set and the loop notified."""
        while not stop.is_set():
            try:
                timeout = self.reconcile()
            except (RetryableError, ConflictError) as error:
                _logger.warning("round failed", extra={"cause": error.message})
                self._set_epoch(None)
                timeout = _RETRY_AFTER
            except Exception:
                _logger.exception("round failed")
                timeout = _RETRY_AFTER
            self._wakeup.wait(timeout, debounce=self._debounce)
        self._release_lead()

    def reconcile(self) -> float:
        """Run one round; return seconds until the next."""
        epoch = self._hold_lead()
        if epoch is None:
            return _FOLLOWER_RECHECK
        self._fleet.reconcile(epoch)
        began = self._clock.monotonic()
        result = self._admission.admit(epoch)
        while result.admitted and result.waiting:
            began = self._clock.monotonic()
            result = self._admission.admit(epoch)
        took = self._clock.monotonic() - began
        self._debounce = (
            min(_LONGEST_DEBOUNCE, took * _DEBOUNCE_FACTOR) if result.waiting else 0
        )
        waits = [
            _WHILE_WAITING if result.waiting else _WHILE_IDLE,
            self._sweep(),
            self._until_renewal(),
        ]
        due = self._fleet.due()  # read last: admission may have failed to start one
        if due is not None:
            waits.append(due.total_seconds())
        return max(0.0, min(waits))

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
                until=now + self._candidate.term,
                force=self._candidate.exclusive,
            )

        epoch = self._store.write(take)
        self._renew_at = (
            self._clock.monotonic() + self._candidate.term.total_seconds() / 3
        )
        return epoch

    def _set_epoch(self, epoch: int | None) -> None:
        """Set the epoch in which this process leads; None: it does not lead."""
        if epoch != self._epoch:
            fields = {"holder": self._candidate.holder, "epoch": epoch or self._epoch}
            _logger.info("lead acquired" if epoch else "lead lost", extra=fields)
        self._epoch = epoch
        self._status.is_leader = epoch is not None

    def _release_lead(self) -> None:
        """Release the lead, so that another scheduler need not wait for its end."""
        if self._epoch is None:
            return
        try:
            self._store.write(lambda tx: tx.release_lead(self._candidate.holder))
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
