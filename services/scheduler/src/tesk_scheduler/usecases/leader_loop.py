"""The leader's loop: one thread that keeps the fleet, admits, and tidies up.

It sleeps until it is notified or something is due, so that an idle service costs
nothing.
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

_LOG = logging.getLogger(__name__)

_WHILE_WAITING = 1.0
_WHILE_IDLE = 60.0
_RETRY_AFTER = 1.0
_SWEEP_EVERY = 600.0
# How often one that does not lead looks whether it may; costs one small read.
_FOLLOWER_RECHECK = 0.25
# A round that admitted nothing is not repeated at once for every new task:
# the loop waits for some times as long as the round took.
_DEBOUNCE_FACTOR = 20
_LONGEST_DEBOUNCE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Who leads.

    Attributes:
        holder: Name of this process, unique.
        term: How long the lead lasts unless it is renewed.
        alone: No other process can be there.
    """

    holder: str
    term: timedelta
    alone: bool


class LeaderLoop:
    """Runs the loop."""

    def __init__(  # noqa: PLR0913 - the parts of its round
        self,
        *,
        store: TaskStore,
        clock: Clock,
        wakeup: LeaderWakeup,
        lead: Candidate,
        fleet: Fleet,
        admission: Admission,
        retention: Retention,
        status: Status,
    ) -> None:
        self._store = store
        self._clock = clock
        self._wakeup = wakeup
        self._lead = lead
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
                timeout = self.round()
            except (RetryableError, ConflictError) as error:
                _LOG.warning("round failed", extra={"cause": error.message})
                self._lead_by(None)
                timeout = _RETRY_AFTER
            except Exception:  # noqa: BLE001 - a bug must not end all scheduling; it is logged
                _LOG.exception("round failed")
                timeout = _RETRY_AFTER
            self._wakeup.wait(timeout, debounce=self._debounce)
        self._resign()

    def round(self) -> float:
        """Do what is to be done now; return seconds until the next round."""
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
        due = self._fleet.due()  # now, for admission may have failed to start one
        if due is not None:
            waits.append(due.total_seconds())
        return max(0.0, min(waits))

    def _hold_lead(self) -> int | None:
        if self._epoch is not None and self._until_renewal() > 0:
            return self._epoch
        self._lead_by(self._take_lead() if self._may_lead() else None)
        return self._epoch

    def _may_lead(self) -> bool:
        """Look, without writing, whether the lead can be had."""
        known = None if self._lead.alone else self._store.leader()
        return (
            known is None
            or known.holder == self._lead.holder
            or known.is_free(self._clock.now())
        )

    def _take_lead(self) -> int | None:
        now = self._clock.now()

        def take(tx: Transaction) -> int | None:
            return tx.acquire_lead(
                self._lead.holder,
                now=now,
                until=now + self._lead.term,
                force=self._lead.alone,
            )

        epoch = self._store.write(take)
        self._renew_at = self._clock.monotonic() + self._lead.term.total_seconds() / 3
        return epoch

    def _lead_by(self, epoch: int | None) -> None:
        """Lead in ``epoch`` from now on, or not at all."""
        if epoch != self._epoch:
            fields = {"holder": self._lead.holder, "epoch": epoch or self._epoch}
            _LOG.info("leads" if epoch else "does not lead any more", extra=fields)
        self._epoch = epoch
        self._status.leads = epoch is not None

    def _resign(self) -> None:
        """Let another lead at once; one that cannot say so is waited for."""
        if self._epoch is None:
            return
        try:
            self._store.write(lambda tx: tx.release_lead(self._lead.holder))
        except (RetryableError, ConflictError) as error:
            _LOG.warning("lead not given up", extra={"cause": error.message})
        self._lead_by(None)

    def _until_renewal(self) -> float:
        if self._lead.alone and self._epoch is not None:
            return _WHILE_IDLE
        return self._renew_at - self._clock.monotonic()

    def _sweep(self) -> float:
        left = self._sweep_at - self._clock.monotonic()
        if left > 0:
            return left
        # Noted first: one that fails must not fail every round.
        self._sweep_at = self._clock.monotonic() + _SWEEP_EVERY
        if self._retention.sweep():
            self._sweep_at = 0.0
        return max(0.0, self._sweep_at - self._clock.monotonic())
