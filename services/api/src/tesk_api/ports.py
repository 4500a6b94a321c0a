"""Declares what the api needs from outside.

The ports leave the type of a task that is read open: converting each task of a page
twice would cost more than all else. ``http``, which renders tasks, and the adapter that
fetches them agree on the type; ``main`` joins them.
"""

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol, TypeVar

from tesk_api.domain.requests import Caller, NewTask, Page, TaskQuery
from tesk_model.task import TaskId, TaskView

TaskT_co = TypeVar("TaskT_co", covariant=True)


class TaskGateway(Protocol[TaskT_co]):
    """Calls the scheduler.

    Every method may raise any ``TeskError`` of the scheduler, and UnavailableError if
    it does not answer in time.
    """

    def create(self, caller: Caller, new: NewTask) -> TaskId:
        """Create a task durably and return its id.

        Raises:
            InvalidRequestError: It exceeds a limit.
            ResourceExhaustedError: Too many tasks are queued.
            UnavailableError: It is not created, or that is not known; the message
                tells which.
        """

    def get(self, caller: Caller, task_id: TaskId, view: TaskView) -> TaskT_co:
        """Return a task.

        Raises:
            NotFoundError: There is no such task that the caller may see.
        """

    def list_page(self, caller: Caller, query: TaskQuery) -> Page[TaskT_co]:
        """Return one page of the caller's tasks, newest first.

        Raises:
            InvalidRequestError: The page token is that of another query.
        """

    def cancel(self, caller: Caller, task_id: TaskId) -> None:
        """Cancel a task; a final one stays as it is.

        Raises:
            NotFoundError: There is no such task that the caller may see.
        """

    def check(self) -> None:
        """Return if the scheduler takes calls.

        Raises:
            UnavailableError: It does not.
        """


class Authenticator(Protocol):
    """Identifies the caller of a request."""

    @property
    def challenge(self) -> str:
        """Value of ``WWW-Authenticate`` of a refusal."""

    def authenticate(self, authorization: str | None, address: str) -> Caller:
        """Return the caller, without ``request_id``.

        Args:
            authorization: Value of the header, if it was sent.
            address: Address of the client; "" if unknown.

        Raises:
            UnauthenticatedError: Credentials are needed and missing or wrong.
            ResourceExhaustedError: Too many were wrong, or are checked now.
        """


class Semaphore(Protocol):
    """Bounds concurrent work, by weight."""

    def acquire(self, weight: int) -> AbstractContextManager[None]:
        """Return a context that holds ``weight``.

        Raises:
            ResourceExhaustedError: The queue is full, or the wait took too long.
        """


class Clock(Protocol):
    """Reads the time."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never decrease; only differences have a meaning."""
