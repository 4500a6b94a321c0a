"""Serves filers what the call cache asks of them: identities of files, and checks."""

from collections.abc import Sequence
from dataclasses import dataclass

from tesk_model.errors import InvalidRequestError, NotFoundError, Violation
from tesk_model.identities import FileIdentity
from tesk_model.names import Attempt
from tesk_scheduler.domain import call_cache as rules
from tesk_scheduler.domain.records import Document, TaskRecord
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.call_cache import CallCache
from tesk_scheduler.usecases.current_attempt import attempt_is_over, current_record


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCheck:
    """What a check compares, and for whom."""

    record: TaskRecord
    document: Document
    files: Sequence[FileIdentity]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallChecks:
    """Serves filers, whose token has been checked.

    Every method but ``wants_identities`` raises ConflictError if the attempt is over.
    """

    store: TaskStore
    call_cache: CallCache

    def wants_identities(self, record: TaskRecord) -> bool:
        """Tell whether the filers of a task are to record identities."""
        if not self.call_cache.is_on:
            return False
        return rules.wants_identities(self.store.call(record.id))

    def add_identities(self, attempt: Attempt, files: Sequence[FileIdentity]) -> bool:
        """Record identities of files; return whether more are of use.

        Raises:
            InvalidRequestError: Too many at once.
        """
        if len(files) > rules.IDENTITIES_AT_ONCE:
            problem = f"must be at most {rules.IDENTITIES_AT_ONCE}, not {len(files)}"
            raise InvalidRequestError([Violation("files", problem)])

        def add(tx: Transaction) -> bool:
            record = current_record(tx, attempt)
            call = tx.calls([record.seq]).get(record.seq)
            if call is None or not rules.wants_identities(call):
                return False
            after = rules.with_identities(call, files)
            tx.save_call(after)
            if after.problem:
                return False
            if files:
                tx.add_identities(record.seq, files)
            return True

        return self.call_cache.is_on and self.store.write(add)

    def begin(self, attempt: Attempt) -> FileCheck:
        """Return what is to be compared.

        Raises:
            NotFoundError: There is no candidate, or no more.
        """
        record = self.store.record(attempt.task_id)
        document = self.store.document(attempt.task_id)
        if record is None or document is None or not record.is_current(attempt):
            raise attempt_is_over(attempt)
        candidate = self.call_cache.candidate(self.store, record)
        files = None
        if candidate is not None:
            files = self.store.identities(candidate.task_id)
        if files is None:
            raise NotFoundError("there is no candidate whose files could be compared")
        return FileCheck(record=record, document=document, files=files)

    def finish(self, attempt: Attempt, difference: str) -> None:
        """Record the result of a check; "" if all files are as they were."""

        def finish(tx: Transaction) -> None:
            record = current_record(tx, attempt)
            call = tx.calls([record.seq]).get(record.seq)
            if call is not None:
                tx.save_call(rules.checked(call, difference))

        self.store.write(finish)
