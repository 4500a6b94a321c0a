"""Renews the leases of taskmasters when they call."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tesk_model.task import TaskId
from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.takeovers import with_absence_reason
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.notifier import LeaderWakeup


@dataclass(frozen=True, slots=True, kw_only=True)
class Leases:
    """Grants and renews leases.

    Attributes:
        leader: Notified of a taskmaster that is new or changed.
        duration: How long a taskmaster may act without another call.
    """

    store: TaskStore
    leader: LeaderWakeup
    duration: timedelta

    def renew(self, taskmaster_id: str, slots: int, now: datetime) -> Taskmaster:
        """Renew the lease of a calling taskmaster, unless most of it is left."""
        known = self.store.taskmaster(taskmaster_id)
        has_changed = known is None or not known.seen or known.slots != slots
        enough = now + self.duration * 2 / 3
        if known is not None and not has_changed and known.lease_until > enough:
            return known
        # Their reason may still be that they wait for this taskmaster.
        waiting = (
            {
                each.attempt.task_id
                for each in self.store.assigned_attempts(taskmaster_id)
            }
            if known is None or known.is_absent(now)
            else set[TaskId]()
        )

        def renew(tx: Transaction) -> Taskmaster:
            renewed = replace(
                tx.taskmaster(taskmaster_id) or _unknown(taskmaster_id, now),
                slots=slots,
                seen=True,
                lease_until=now + self.duration,
            )
            tx.put_taskmaster(renewed)
            for record in tx.records(waiting).values():
                after = with_absence_reason(record, "", now)
                if record.taskmaster == taskmaster_id and after is not record:
                    tx.save(record, after)
            return renewed

        member = self.store.write(renew)
        if has_changed:
            self.leader.notify(urgent=True)
        return member


def _unknown(taskmaster_id: str, now: datetime) -> Taskmaster:
    """Return a taskmaster that calls and is not in the store."""
    return Taskmaster(
        id=taskmaster_id,
        slots=0,
        assigned=0,
        lease_until=now,
        seen=False,
        started_at=now,
    )
