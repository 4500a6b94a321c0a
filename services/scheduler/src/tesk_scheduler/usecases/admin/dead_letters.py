"""Lists, retries and drops dead letters of webhooks for operators."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from tesk_scheduler.domain.occurrences import OperatorActed
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.observer import Observer
from tesk_scheduler.ports.webhooks import (
    Backlog,
    DeadLetters,
    DeliveryStore,
    Selection,
)
from tesk_scheduler.usecases.admin.checks import check_operator

_PAGE = 200
# All other writes wait for a batch.
_BATCH = 500


class LettersPage(NamedTuple):
    """Some dead letters, and what waits beside them."""

    letters: DeadLetters
    backlog: Backlog


class LettersDone(NamedTuple):
    """With how many dead letters it was done, or would be."""

    number: int
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterActions:
    """What operators do with dead letters.

    Attributes:
        wake: Wakes what delivers events.
    """

    deliveries: DeliveryStore
    clock: Clock
    observer: Observer
    wake: Callable[[], None]

    def page(self, operator: str, selection: Selection, cursor: str) -> LettersPage:
        """Read one page."""
        check_operator(operator)
        return LettersPage(
            self.deliveries.dead_letters(selection, cursor, _PAGE),
            self.deliveries.backlog(),
        )

    def retry(
        self, operator: str, selection: Selection, *, dry_run: bool
    ) -> LettersDone:
        """Let one batch be sent again; of a dry run, count all."""

        def revive(limit: int) -> int:
            now = self.clock.now()
            return self.deliveries.revive(selection, limit, now=now)

        done = self._do(operator, "webhooks retry", selection, revive, dry_run=dry_run)
        self.wake()
        return done

    def drop(
        self, operator: str, selection: Selection, *, dry_run: bool
    ) -> LettersDone:
        """Delete one batch; of a dry run, count all."""

        def drop(limit: int) -> int:
            return self.deliveries.drop(selection, limit)

        return self._do(operator, "webhooks drop", selection, drop, dry_run=dry_run)

    def _do(
        self,
        operator: str,
        action: str,
        selection: Selection,
        work: Callable[[int], int],
        *,
        dry_run: bool,
    ) -> LettersDone:
        check_operator(operator)
        if dry_run:
            number = self.deliveries.count_dead(selection)
            return LettersDone(number, has_more=False)
        done = work(_BATCH)
        if done:
            self.observer.happened(
                OperatorActed(
                    operator=operator,
                    action=action,
                    target=selection.target or "dead letters",
                    detail=f"{done} letters",
                )
            )
        return LettersDone(done, has_more=done == _BATCH)
