"""What the api does for its callers."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from tesk_api.domain.requests import Caller, NewTask, Page, TaskQuery
from tesk_api.ports import TaskGateway
from tesk_model.errors import NotFoundError
from tesk_model.names import is_task_id
from tesk_model.task import TaskId, TaskView

TaskT = TypeVar("TaskT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks(Generic[TaskT]):
    """Create, read and cancel tasks."""

    gateway: TaskGateway[TaskT]

    def create_task(self, caller: Caller, new: NewTask) -> TaskId:
        """Keep a valid task; when this returns, it is durable."""
        return self.gateway.create(caller, new)

    def get_task(self, caller: Caller, task_id: str, view: TaskView) -> TaskT:
        """Return a task.

        Raises:
            NotFoundError: There is none of that id that the caller may see.
        """
        return self.gateway.get(caller, _known_form(task_id), view)

    def list_tasks(self, caller: Caller, query: TaskQuery) -> Page[TaskT]:
        """Return one page of the caller's tasks, newest first."""
        return self.gateway.list_page(caller, query)

    def cancel_task(self, caller: Caller, task_id: str) -> None:
        """Ask for a task to be canceled; a final one stays as it is.

        Raises:
            NotFoundError: There is none of that id that the caller may see.
        """
        self.gateway.cancel(caller, _known_form(task_id))

    def check(self) -> None:
        """Return if tasks can be served; raise UnavailableError if not."""
        self.gateway.check()


def _known_form(task_id: str) -> TaskId:
    """Spare the scheduler what cannot be an id, and hostile names with it."""
    if not is_task_id(task_id):
        raise NotFoundError("there is no such task")
    return TaskId(task_id)
