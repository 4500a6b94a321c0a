"""Holds and releases: lets no more tasks of a subject be admitted."""

from dataclasses import dataclass

from tesk_model.errors import InvalidRequestError, NotFoundError, Violation
from tesk_model.reasons import NO_REASON, ReasonCode
from tesk_scheduler.domain.holds import MAX_HOLDS, MAX_REASON, Hold
from tesk_scheduler.domain.occurrences import OperatorActed
from tesk_scheduler.domain.quota import EVERYBODY, Subject
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.admin.checks import check_line, check_operator, target_of
from tesk_scheduler.usecases.notifier import LeaderWakeup

# More than admission reads, and so tells that they are held.
_MOST_TOLD = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Puts and removes holds. Durable, and in force when it returns."""

    store: TaskStore
    clock: Clock
    leader: LeaderWakeup

    def put(
        self, operator: str, subject: Subject, reason: str, *, dry_run: bool
    ) -> tuple[Hold, Hold | None]:
        """Hold a subject; return the hold, and the one that it replaces.

        Raises:
            InvalidRequestError: What was sent is wrong, or there are too many holds.
        """
        check_operator(operator)
        _check_subject(subject)
        check_line("reason", reason, MAX_REASON)
        hold = Hold(
            subject=subject, reason=reason, operator=operator, since=self.clock.now()
        )
        if dry_run:
            return hold, _find(self.store.holds(), subject)

        def put(tx: Transaction) -> Hold | None:
            # Admissions that have read no hold are written before this returns.
            tx.lock_admission()
            there = tx.holds()
            before = _find(there, subject)
            if before is None and len(there) >= MAX_HOLDS:
                problem = f"there are {MAX_HOLDS} holds already; release some"
                raise InvalidRequestError([Violation("subject", problem)])
            tx.put_hold(hold)
            tx.announce(_acted(operator, "hold", subject, reason))
            return before

        before = self.store.write(put)
        self.leader.notify(urgent=True)  # it tells the users
        return hold, before

    def remove(self, operator: str, subject: Subject, *, dry_run: bool) -> Hold:
        """Release a subject; return the hold that was in force.

        Raises:
            NotFoundError: It is not held.
        """
        check_operator(operator)
        _check_subject(subject)
        if dry_run:
            return _held(self.store.holds(), subject)

        def remove(tx: Transaction) -> Hold:
            before = _held(tx.holds(), subject)
            tx.remove_hold(subject)
            # Admission tells anew those that it looks at. Of the others nothing is
            # stored, so that their places explain them.
            held = tx.waiting_for(ReasonCode.HELD, _MOST_TOLD)
            tx.set_reasons(dict.fromkeys(held, NO_REASON), now=self.clock.now())
            tx.announce(_acted(operator, "release", subject, before.reason))
            return before

        removed = self.store.write(remove)
        self.leader.notify(urgent=True)
        return removed


def _find(holds: list[Hold], subject: Subject) -> Hold | None:
    return next((hold for hold in holds if hold.subject == subject), None)


def _held(holds: list[Hold], subject: Subject) -> Hold:
    found = _find(holds, subject)
    if found is None:
        raise NotFoundError(f"{target_of(subject)}: not held")
    return found


def _check_subject(subject: Subject) -> None:
    if subject.kind is EVERYBODY.kind:
        if subject.name:
            problem = "must be empty for all tasks"
            raise InvalidRequestError([Violation("subject.name", problem)])
        return
    check_line("subject.name", subject.name, MAX_REASON)


def _acted(operator: str, action: str, subject: Subject, reason: str) -> OperatorActed:
    return OperatorActed(
        operator=operator, action=action, target=target_of(subject), detail=reason
    )
