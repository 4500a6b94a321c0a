"""Counts occurrences; no label holds a task or an owner, so their number is bounded."""

from collections.abc import Callable
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram

from tesk_model.reasons import ReasonCode
from tesk_model.states import TaskState
from tesk_scheduler.domain.occurrences import (
    AttemptAssigned,
    AttemptLeftFiles,
    AttemptLost,
    CandidateChecked,
    Occurrence,
    TaskAdmitted,
    TaskCreated,
    TaskEnded,
    TaskmasterLost,
    TransferEnded,
)

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_LONG = (
    *(0.1, 0.5, 1, 2, 5, 10, 30, _MINUTE, 5 * _MINUTE, 15 * _MINUTE),
    *(_HOUR, 4 * _HOUR, _DAY, 7 * _DAY),
)
_SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_FEW = (1, 2, 3, 4, 5, 10)


class EventMetrics:
    """See ``Observer``; metrics of its own for one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Start from zero in ``registry``."""
        counter = partial(Counter, registry=registry, namespace="tesk_scheduler")
        histogram = partial(Histogram, registry=registry, namespace="tesk_scheduler")
        self._add_tasks(counter, histogram)
        self._add_attempts(counter)
        self._add_transfers(counter, histogram)
        self._add_calls(counter, histogram)
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            TaskCreated: lambda _: self._created.inc(),
            TaskAdmitted: self._admission,
            TaskEnded: self._end,
            AttemptAssigned: lambda each: self._takeovers.inc(each.takeover),
            AttemptLost: lambda each: self._lost.labels(each.reason.value).inc(),
            AttemptLeftFiles: lambda _: self._leftovers.inc(),
            CandidateChecked: self._candidate,
            TaskmasterLost: lambda _: self._taskmasters.inc(),
            TransferEnded: self._transfer,
        }

    def _add_tasks(
        self, counter: Callable[..., Counter], histogram: Callable[..., Histogram]
    ) -> None:
        self._created = counter("tasks_created", "Tasks created.")
        self._admitted = counter("admissions", "Attempts that began.")
        self._ended = counter(
            "tasks_ended", "Tasks by how they ended.", ("state", "reason")
        )
        # Of a series that is new Prometheus sees no increase: the first would be missed.
        for reason in ReasonCode:
            self._ended.labels(TaskState.SYSTEM_ERROR.value, reason.value)
        self._queued = histogram(
            "task_queue_seconds", "Time that tasks waited for admission.", buckets=_LONG
        )
        self._ran = histogram(
            "task_run_seconds",
            "Time from the last admission of tasks to their end.",
            ("state",),
            buckets=_LONG,
        )
        self._attempts = histogram(
            "task_attempts", "Attempts that tasks took.", buckets=_FEW
        )

    def _add_attempts(self, counter: Callable[..., Counter]) -> None:
        self._lost = counter(
            "attempts_lost", "Attempts that another one followed.", ("reason",)
        )
        self._takeovers = counter(
            "takeovers", "Attempts that a lost taskmaster's successor took over."
        )
        self._taskmasters = counter(
            "taskmasters_lost", "Taskmasters that ended without being told to."
        )
        self._leftovers = counter(
            "removals_failed", "Attempts that left something that could not be removed."
        )

        self._candidates = counter(
            "call_cache_candidates",
            "Attempts that the call cache had a candidate for.",
            ("result",),
        )

    def _add_transfers(
        self, counter: Callable[..., Counter], histogram: Callable[..., Histogram]
    ) -> None:
        moved = ("scheme", "direction")
        self._bytes = counter("transfer_bytes", "Bytes moved by transfers.", moved)
        self._files = counter("transfer_files", "Files moved by transfers.", moved)
        self._file_seconds = counter(
            "transfer_file_seconds", "Time that moved files took, added up.", moved
        )
        self._failures = counter(
            "transfer_file_failures",
            "Files that could not be moved, directories that could not be listed.",
            moved,
        )
        self._seconds = histogram(
            "transfer_seconds",
            "Time of transfers that moved files.",
            ("direction", "result"),
            buckets=_LONG,
        )
        self._transfers = counter(
            "transfers_ended", "Transfers by how they ended.", ("direction", "result")
        )

    def _add_calls(
        self, counter: Callable[..., Counter], histogram: Callable[..., Histogram]
    ) -> None:
        self._writes = histogram(
            "store_transaction_seconds",
            "Time of transactions of the task store.",
            ("result",),
            buckets=_SHORT,
        )
        self._units = counter(
            "store_units", "Units of work of these transactions, which they share."
        )
        self._rounds = histogram(
            "admission_round_seconds",
            "Time of rounds in which the leader looks at waiting tasks.",
            buckets=_SHORT,
        )
        self._calls = histogram(
            "rpc_seconds", "Time of calls.", ("method", "status"), buckets=_SHORT
        )

    def happened(self, occurrence: Occurrence) -> None:
        """Count it."""
        handler = self._handlers.get(type(occurrence))
        if handler:
            handler(occurrence)

    def wrote(self, *, units: int, seconds: float, succeeded: bool) -> None:
        """Count a transaction and its time."""
        self._writes.labels("ok" if succeeded else "failed").observe(seconds)
        self._units.inc(units)

    def answered(self, method: str, code: str, seconds: float) -> None:
        """Count a call and its time."""
        self._calls.labels(method, code).observe(seconds)

    def round_ended(self, *, seconds: float, admitted: int) -> None:
        """Count a round and its time; admissions are counted one by one."""
        del admitted
        self._rounds.observe(seconds)

    def _admission(self, admitted: TaskAdmitted) -> None:
        self._admitted.inc()
        self._queued.observe(admitted.queue_seconds)

    def _end(self, ended: TaskEnded) -> None:
        self._ended.labels(ended.state.value, ended.reason.value).inc()
        self._attempts.observe(ended.attempts)
        if ended.attempts:
            self._ran.labels(ended.state.value).observe(ended.run_seconds)

    def _candidate(self, checked: CandidateChecked) -> None:
        self._candidates.labels("taken" if checked.taken else "rejected").inc()

    def _transfer(self, ended: TransferEnded) -> None:
        result = "ok" if ended.succeeded else "failed"
        self._transfers.labels(ended.step, result).inc()
        if ended.seconds:
            self._seconds.labels(ended.step, result).observe(ended.seconds)
        for moved in ended.moved:
            self._bytes.labels(moved.scheme, ended.step).inc(moved.bytes)
            self._files.labels(moved.scheme, ended.step).inc(moved.files)
            self._file_seconds.labels(moved.scheme, ended.step).inc(moved.seconds)
            self._failures.labels(moved.scheme, ended.step).inc(moved.failed)
