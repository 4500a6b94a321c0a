"""The leader's loop: one thread that keeps the fleet, admits, and tidies up.

It sleeps until it is rung or something is due, so that an idle service costs
nothing.
"""

import logging
import threading
from dataclasses import dataclass
from datetime import timedelta

from tesk_model.errors import ConflictError, RetryableError
from tesk_scheduler.ports.store import TaskStore
from tesk_scheduler.ports.surroundings import Clock
from tesk_scheduler.usecases.admission import Admission
from tesk_scheduler.usecases.fleet import Fleet
from tesk_scheduler.usecases.retention import Retention
from tesk_scheduler.usecases.wakeups import Doorbell

_LOG = logging.getLogger(__name__)

_WHILE_WAITING = 1.0
_WHILE_IDLE = 60.0
_AFTER_TROUBLE = 1.0
_SWEEP_EVERY = 600.0
# A round that admitted nothing is not repeated at once for every new task:
# the loop rests for some times as long as the round took.
_REST_FACTOR = 20
_LONGEST_REST = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """Who leads.

    Attributes:
        holder: Name of this process, unique.
        term: How long the lead lasts unless it is renewed.
        alone: No other process can be there.
    """

    holder: str
    term: timedelta
    alone: bool


class Leading:
    """Runs the loop."""

    def __init__(  # noqa: PLR0913 - the parts of its round
        self,
        *,
        store: TaskStore,
        clock: Clock,
        bell: Doorbell,
        lead: Lead,
        fleet: Fleet,
        admission: Admission,
        retention: Retention,
    ) -> None:
        self._store = store
        self._clock = clock
        self._bell = bell
        self._lead = lead
        self._fleet = fleet
        self._admission = admission
        self._retention = retention
        self._epoch: int | None = None
        self._renew_at = 0.0
        self._sweep_at = 0.0
        self._rest = 0.0

    def run(self, stop: threading.Event) -> None:
        """Run until ``stop`` is set and the bell rung."""
        while not stop.is_set():
            try:
                timeout = self.round()
            except (RetryableError, ConflictError) as error:
                _LOG.warning("round failed", extra={"cause": error.message})
                self._epoch = None
                timeout = _AFTER_TROUBLE
            except Exception:  # noqa: BLE001 - a bug must not end all scheduling; it is logged
                _LOG.exception("round failed")
                timeout = _AFTER_TROUBLE
            self._bell.wait(timeout, breath=self._rest)

    def round(self) -> float:
        """Do what is to be done now; return seconds until the next round."""
        epoch = self._hold_lead()
        if epoch is None:
            return self._lead.term.total_seconds() / 3
        self._fleet.reconcile(epoch)
        began = self._clock.monotonic()
        result = self._admission.admit(epoch)
        while result.admitted and result.waiting:
            began = self._clock.monotonic()
            result = self._admission.admit(epoch)
        took = self._clock.monotonic() - began
        self._rest = min(_LONGEST_REST, took * _REST_FACTOR) if result.waiting else 0
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
        now = self._clock.now()
        self._epoch = self._store.write(
            lambda tx: tx.lead(
                self._lead.holder,
                now=now,
                until=now + self._lead.term,
                force=self._lead.alone,
            )
        )
        self._renew_at = self._clock.monotonic() + self._lead.term.total_seconds() / 3
        return self._epoch

    def _until_renewal(self) -> float:
        if self._lead.alone and self._epoch is not None:
            return _WHILE_IDLE
        return self._renew_at - self._clock.monotonic()

    def _sweep(self) -> float:
        left = self._sweep_at - self._clock.monotonic()
        if left > 0:
            return left
        if self._retention.sweep():
            return 0.0
        self._sweep_at = self._clock.monotonic() + _SWEEP_EVERY
        return _SWEEP_EVERY
