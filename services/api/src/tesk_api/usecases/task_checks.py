"""Checks a task before it is created: nothing is written, and nothing runs."""

from dataclasses import dataclass
from typing import Any

from tesk_api.domain.requests import Caller, NewTask
from tesk_api.domain.task_checks import StorageResult, TaskCheck, task_check
from tesk_api.ports import Semaphore, StorageGateway, TaskGateway
from tesk_model.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskChecks:
    """Asks the scheduler and storages about tasks.

    Attributes:
        slots: Bounds the checks that run at once: each may hold a thread for as long
            as storages are waited for.
    """

    tasks: TaskGateway[Any]
    storage: StorageGateway
    slots: Semaphore

    def check(self, caller: Caller, new: NewTask) -> TaskCheck:
        """Return what would come of a valid task of ``caller``.

        Raises:
            ResourceExhaustedError: Too many checks run, or the caller has asked for
                too many urls of late.
            UnavailableError: The scheduler does not answer.
        """
        with self.slots.acquire(1):
            outlook = self.tasks.check_task(caller, new)
            found = self._look(caller, new.task)
        return task_check(new.warnings, outlook, found)

    def _look(self, caller: Caller, task: Task) -> StorageResult:
        if not task.inputs and not task.outputs:
            return StorageResult()
        return self.storage.check(caller, task)
