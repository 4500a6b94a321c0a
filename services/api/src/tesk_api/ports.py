"""What the api needs from outside.

A task that is read passes through untouched, so the ports leave its form open:
converting each task of a page twice would cost more than all else. The edge that
renders it (``http``) and the adapter that fetches it agree on the form; ``main``
joins them.
"""

from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from tesk_api.domain.requests import Caller, NewTask, Page, TaskQuery
from tesk_model.task import TaskId, TaskView

TaskT_co = TypeVar("TaskT_co", covariant=True)


class TaskGateway(Protocol[TaskT_co]):
    """The scheduler, as the api sees it.

    Every method may raise any ``TeskError`` that the scheduler answers, and
    UnavailableError when it does not answer in time.
    """

    def create(self, caller: Caller, new: NewTask) -> TaskId:
        """Keep a task durably and return its id.

        Raises:
            InvalidRequestError: It is larger than a limit allows.
            ResourceExhaustedError: Too many tasks are queued.
            UnavailableError: Not created, or not known to be; the message
                says which.
        """

    def get(self, caller: Caller, task_id: TaskId, view: TaskView) -> TaskT_co:
        """Return a task.

        Raises:
            NotFoundError: There is none of that id that the caller may see.
        """

    def list_page(self, caller: Caller, query: TaskQuery) -> Page[TaskT_co]:
        """Return one page of the caller's tasks, newest first.

        Raises:
            InvalidRequestError: The page token is not of this query.
        """

    def cancel(self, caller: Caller, task_id: TaskId) -> None:
        """Ask for a task to be canceled; a final one stays as it is.

        Raises:
            NotFoundError: There is none of that id that the caller may see.
        """

    def check(self) -> None:
        """Return if the scheduler takes calls.

        Raises:
            UnavailableError: It does not.
        """


class Authenticator(Protocol):
    """Finds out who asks."""

    @property
    def challenge(self) -> str:
        """Value of ``WWW-Authenticate`` for those who are refused."""

    def authenticate(self, authorization: str | None, address: str) -> Caller:
        """Return the caller, without ``request_id``.

        Args:
            authorization: Value of the header of that name, if there was one.
            address: Where the request comes from; "" if that is not known.

        Raises:
            UnauthenticatedError: Credentials are needed and missing or wrong.
            ResourceExhaustedError: Too many were wrong, or are being checked.
        """


class Semaphore(Protocol):
    """Bounds how much is worked on at once."""

    def acquire(self, weight: int) -> AbstractContextManager[None]:
        """Return a block that holds so much of what there is.

        Raises:
            ResourceExhaustedError: It was not free for too long.
        """


class Clock(Protocol):
    """Time that tests can move."""

    def monotonic(self) -> float:
        """Return seconds that never go back; only differences mean anything."""
