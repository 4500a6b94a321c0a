"""Declares what the api needs from outside.

The ports leave the type of a task that is read open: converting each task of a page
twice would cost more than all else. ``http``, which renders tasks, and the adapter that
fetches them agree on the type; ``main`` joins them.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Protocol, TypeVar

from tesk_api.domain.load import Load
from tesk_api.domain.requests import (
    Caller,
    CanceledPage,
    ChangePage,
    NewTask,
    Page,
    Subscription,
    TaskQuery,
)
from tesk_api.domain.task_checks import Outlook, StorageResult
from tesk_model.call_cache import CacheExplanation
from tesk_model.errors import TeskError
from tesk_model.task import Task, TaskId, TaskView

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

    def create_all(
        self, caller: Caller, tasks: Sequence[NewTask]
    ) -> Sequence[TaskId | TeskError]:
        """Create tasks durably, each independently of the others.

        Returns:
            For each task its id, or why it is not created, as ``create`` raises it.
        """

    def check_task(self, caller: Caller, new: NewTask) -> Outlook:
        """Return what would come of a task if it were created; create nothing."""

    def get(self, caller: Caller, task_id: TaskId, view: TaskView) -> TaskT_co:
        """Return a task.

        Raises:
            NotFoundError: There is no such task that the caller may see.
        """

    def get_many(
        self, wanted: Sequence[tuple[Caller, TaskId]], view: TaskView
    ) -> Sequence[TaskT_co | TeskError]:
        """Return tasks in the order in which they are wanted, or why not."""

    def list_page(self, caller: Caller, query: TaskQuery) -> Page[TaskT_co]:
        """Return one page of the caller's tasks, newest first.

        Raises:
            InvalidRequestError: The page token is that of another query.
        """

    def list_changes(
        self, subscriptions: Sequence[Subscription], after: str, *, limit: int
    ) -> ChangePage:
        """Return changes of states that match one of some subscriptions.

        Args:
            subscriptions: At most 1,024.
            after: A cursor; "" for the end of the feed, after which there is nothing.
            limit: Most changes to return.
        """

    def explain_call_cache(self, caller: Caller, task_id: TaskId) -> CacheExplanation:
        """Return what the call cache did for a task.

        Raises:
            NotFoundError: There is no such task that the caller may see.
        """

    def cancel(self, caller: Caller, task_id: TaskId) -> None:
        """Cancel a task; a final one stays as it is.

        Raises:
            NotFoundError: There is no such task that the caller may see.
        """

    def cancel_page(
        self, caller: Caller, query: TaskQuery, *, dry_run: bool
    ) -> CanceledPage:
        """Cancel one page of the caller's tasks that match a query.

        Args:
            caller: Whose tasks.
            query: Its view and page size do not matter.
            dry_run: Only tell which.

        Raises:
            InvalidRequestError: The page token is that of another query, or the state
                one in which no task can be canceled.
        """

    def check(self) -> None:
        """Return if the scheduler takes calls.

        Raises:
            UnavailableError: It does not.
        """


class StorageGateway(Protocol):
    """Looks at the places that the urls of tasks name."""

    def check(self, caller: Caller, task: Task) -> StorageResult:
        """Return what is there, by the credentials that ``caller`` may use.

        Where nobody looks, the result says so and why.

        Raises:
            ResourceExhaustedError: The caller has asked for too many urls of late, or
                too many are looked at now.
        """


class NoStorage:
    """Satisfies ``StorageGateway`` where nobody looks at storages."""

    def check(self, caller: Caller, task: Task) -> StorageResult:  # noqa: ARG002 - of the port
        """See ``StorageGateway``."""
        return StorageResult(
            problem="this server has nothing that looks at storages",
            cure="an administrator can set grpc.storage (docs/storage.md)",
        )


class LoadReader(Protocol):
    """Reads what runs and what ran."""

    def read(self, caller: Caller, hours: int) -> Load:
        """Return the load: of the caller's tasks, or for admins of all.

        Args:
            caller: Who asks.
            hours: How far back, one of ``domain.load.HOURS``.

        Raises:
            InvalidRequestError: ``hours`` is another number.
            TeskError: Any other of the scheduler; UnavailableError if it does not
                answer in time.
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


class NoLimit:
    """Satisfies ``Semaphore`` without any bound."""

    def acquire(self, weight: int) -> AbstractContextManager[None]:  # noqa: ARG002 - of the port
        """See ``Semaphore``."""
        return nullcontext()


class Clock(Protocol):
    """Reads the time."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never decrease; only differences have a meaning."""
