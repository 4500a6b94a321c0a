"""Makes deliveries of state changes: one for each receiver that is to hear of it.

The feed of state changes is the outbox: it is written with the states. A cursor says how
far it was read; it moves in the transaction that stores the deliveries, so that whoever
is killed, each change is expanded once.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tesk_scheduler.domain.records import Document
from tesk_scheduler.domain.state_changes import ChangeFilter, StoredChange
from tesk_scheduler.domain.webhooks.deliveries import NewDelivery
from tesk_scheduler.domain.webhooks.events import (
    EventTask,
    event_of_change,
    render_event,
)
from tesk_scheduler.domain.webhooks.targets import Recipient, Targets
from tesk_scheduler.ports.store import TaskStore
from tesk_scheduler.ports.webhooks import (
    DeliveryObserver,
    DeliveryStore,
    TargetSource,
)

_logger = logging.getLogger(__name__)

# Changes that are read, and whose deliveries are written, at once.
_AT_ONCE = 100
_ALL = (ChangeFilter(owner=None),)

TagsOf = Callable[[Document], Mapping[str, str]]
"""Reads the tags of a task."""


@dataclass(slots=True, kw_only=True)
class Expansion:
    """Expands changes, from where the last one ended.

    Attributes:
        source: Of the events, see ``render_event``.
    """

    store: TaskStore
    deliveries: DeliveryStore
    targets: TargetSource
    tags_of: TagsOf
    observer: DeliveryObserver
    source: str
    _is_forgotten: bool = field(default=False, init=False)

    def advance(self) -> bool:
        """Expand some changes; return whether there are more already.

        Receivers hear of what changes after the first of them was listed.

        Raises:
            ConflictError: Another process did so at the same time.
        """
        targets = self.targets.current()
        if not targets:
            self._forget()
            return False
        self._is_forgotten = False
        cursor = self.deliveries.cursor()
        page = self.store.state_changes(cursor, _ALL, limit=_AT_ONCE)
        if page.is_expired:
            _logger.error(
                "state changes lost to webhooks",
                extra={"cause": "they were deleted, or the database is another one"},
            )
            self.observer.lost()
        if page.position != cursor:
            made = list(self._expanded(page.changes, targets))
            self.deliveries.expand(cursor, page.position, made)
        return page.has_more

    def _forget(self) -> None:
        """Begin at the end of the feed when there are receivers again."""
        if not self._is_forgotten:
            cursor = self.deliveries.cursor()
            if cursor is not None:
                self.deliveries.expand(cursor, None, ())
        self._is_forgotten = True

    def _expanded(
        self, changes: Sequence[StoredChange], targets: Targets
    ) -> Iterator[NewDelivery]:
        tasks = self.deliveries.event_tasks({each.task for each in changes})
        tags: dict[int, Mapping[str, str]] = {}
        for change in changes:
            task = tasks.get(change.task)
            if task is None:  # deleted meanwhile
                continue
            recipients = list(
                targets.recipients(
                    change.owner, task.groups, change.state, named=task.webhook
                )
            )
            if not recipients:
                continue
            if change.task not in tags:
                document = self.store.document(change.task_id)
                tags[change.task] = {} if document is None else self.tags_of(document)
            yield from self._deliveries(change, task, tags[change.task], recipients)

    def _deliveries(
        self,
        change: StoredChange,
        task: EventTask,
        tags: Mapping[str, str],
        recipients: Sequence[Recipient],
    ) -> Iterator[NewDelivery]:
        event = event_of_change(change, task, tags)
        body = render_event(event, self.source)
        for recipient in recipients:
            yield NewDelivery(
                event_id=event.event_id,
                recipient=recipient,
                task_id=change.task_id,
                body=body,
                created_at=event.changed_at,
            )
