"""Reads the feed of state changes for callers who may see the tasks."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tesk_model.errors import InvalidRequestError, Violation
from tesk_scheduler.domain.callers import Caller
from tesk_scheduler.domain.occurrences import TasksListed
from tesk_scheduler.domain.state_changes import (
    ChangeFilter,
    ChangePage,
    Position,
    StoredChange,
)
from tesk_scheduler.domain.tokens import ChangeCursors
from tesk_scheduler.ports.observer import Observer
from tesk_scheduler.ports.store import TaskStore
from tesk_scheduler.usecases.reading import MAX_TAGS, Filters

MAX_FILTERS = 1024
MAX_CHANGES = 1000


@dataclass(frozen=True, slots=True)
class Subscription:
    """Whose tasks, and which of them; a state is one that they came into."""

    caller: Caller
    filters: Filters


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanges:
    """Reads changes.

    Attributes:
        secret: Cursors are encrypted with a key made of it.
        observer: Hears which tasks of others admins see.
    """

    store: TaskStore
    secret: str
    observer: Observer
    cursors: ChangeCursors = field(init=False)

    def __post_init__(self) -> None:
        """Derive the key once."""
        object.__setattr__(self, "cursors", ChangeCursors(self.secret))

    def read(
        self, subscriptions: Sequence[Subscription], after: str, limit: int
    ) -> ChangePage:
        """Read the changes after a cursor that match one of the subscriptions.

        Args:
            subscriptions: ``matched`` of a change has their indices.
            after: A cursor; "" for the end of the feed, after which there is nothing.
            limit: Most changes to read; 0 = 1,000.

        Raises:
            InvalidRequestError: There are too many subscriptions, or tags in one.
        """
        limit = limit or MAX_CHANGES
        _check(subscriptions, limit)
        position = self.cursors.parse(after) if after else None
        filters = [_filter(each) for each in subscriptions]
        page = self.store.state_changes(position, filters, limit=limit)
        self._observe(subscriptions, page.changes)
        return replace(page, is_expired=page.is_expired or bool(after and not position))

    def cursor(self, position: Position) -> str:
        """Return the cursor of a position."""
        return self.cursors.cursor(position)

    def _observe(
        self, subscriptions: Sequence[Subscription], changes: Sequence[StoredChange]
    ) -> None:
        for index, each in enumerate(subscriptions):
            caller = each.caller
            if not caller.admin:
                continue
            others = sum(
                index in change.matched and change.owner != caller.user
                for change in changes
            )
            if others:
                self.observer.happened(
                    TasksListed(
                        tasks=others, user=caller.user, request_id=caller.request_id
                    )
                )


def _filter(subscription: Subscription) -> ChangeFilter:
    filters = subscription.filters
    return ChangeFilter(
        owner=subscription.caller.visible_owner,
        name_prefix=filters.name_prefix,
        state=filters.state,
        tags=filters.tags,
    )


def _check(subscriptions: Sequence[Subscription], limit: int) -> None:
    problems = []
    if not 1 <= limit <= MAX_CHANGES:
        problems.append(Violation("limit", f"must be from 1 to {MAX_CHANGES}"))
    if len(subscriptions) > MAX_FILTERS:
        most = f"must be at most {MAX_FILTERS}, not {len(subscriptions)}"
        problems.append(Violation("subscriptions", most))
    if any(len(each.filters.tags) > MAX_TAGS for each in subscriptions):
        problems.append(Violation("tag_key", f"must be at most {MAX_TAGS}"))
    if problems:
        raise InvalidRequestError(problems)
