"""Sets the reasons of tasks whose taskmaster is absent.

Level-triggered: the reason follows from what the launcher reports now. It is
written when it changes, and cleared when it no longer holds or when the
taskmaster calls.
"""

from collections.abc import Mapping

from tesk_model.task import TaskId
from tesk_scheduler.domain.takeovers import with_absence_reason
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.store import TaskStore, Transaction


def explain_absence(
    store: TaskStore, clock: Clock, messages: Mapping[str, str], epoch: int
) -> None:
    """Write why the attempts of absent taskmasters wait.

    Args:
        store: Of the tasks.
        clock: By which leases end.
        messages: By id of a taskmaster, why it does not come up; "" if it does.
        epoch: Of the leader.

    Raises:
        ConflictError: Another scheduler leads.
    """
    now = clock.now()
    by_task: dict[TaskId, str] = {
        record.id: message
        for name, message in messages.items()
        for record in store.assigned(name)
        if with_absence_reason(record, message, now) is not record
    }

    def write(tx: Transaction) -> None:
        tx.check_epoch(epoch)
        absent = {each.id for each in tx.taskmasters() if each.is_absent(now)}
        for record in tx.records(set(by_task)).values():
            after = with_absence_reason(record, by_task[record.id], now)
            if record.taskmaster in absent and after is not record:
                tx.save(record, after)

    if by_task:
        store.write(write)
