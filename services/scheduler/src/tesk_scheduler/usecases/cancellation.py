"""Cancels tasks."""

from dataclasses import dataclass

from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain.callers import Caller
from tesk_scheduler.domain.occurrences import CancelRequested
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.domain.transitions import canceled
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.notifier import Notifier
from tesk_scheduler.usecases.reading import not_found


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """Cancels tasks of callers who may see them."""

    store: TaskStore
    clock: Clock
    notifier: Notifier

    def cancel(self, caller: Caller, task_id: TaskId) -> None:
        """Cancel a task; one that is final or being canceled stays as it is.

        Raises:
            NotFoundError: ``caller`` may see no such task.
        """
        summary = self.store.summaries([task_id], owner=caller.visible_owner).get(
            task_id
        )
        if summary is None:
            raise not_found(task_id)
        if summary.state.is_final or summary.state is TaskState.CANCELING:
            return
        now = self.clock.now()

        def cancel(tx: Transaction) -> TaskRecord:
            before = tx.records([task_id]).get(task_id)
            if before is None:
                raise not_found(task_id)
            after = canceled(before, now)
            if after is not before:
                tx.announce(cancel_requested(before, caller))
                tx.save(before, after)
            return after

        record = self.store.write(cancel)
        if record.taskmaster is not None:
            self.notifier.taskmasters.notify([record.taskmaster])
        self.notifier.leader.notify(urgent=True)


def cancel_requested(record: TaskRecord, caller: Caller) -> CancelRequested:
    """Return the occurrence that ``caller`` wants a task to end."""
    return CancelRequested(
        task_id=record.id,
        owner=record.owner,
        user=caller.user,
        admin=caller.admin,
        request_id=caller.request_id,
    )
