"""Defines what the call cache reads and changes in the store."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from tesk_model.identities import FileIdentity
from tesk_model.task import TaskId
from tesk_scheduler.domain.calls import CallRecord


class CallChanges(Protocol):
    """Changes of the call cache within one unit of work.

    The record of a task must be locked before its call is read to be changed.
    """

    def calls(self, seqs: Collection[int]) -> Mapping[int, CallRecord]:
        """Return the calls of those of the tasks that have one."""

    def save_call(self, call: CallRecord) -> None:
        """Replace what is stored of a call; its scope and key stay."""

    def newest_reusable(self, call: CallRecord) -> TaskId | None:
        """Return the newest task whose results may count for this call."""

    def add_identities(self, seq: int, files: Sequence[FileIdentity]) -> None:
        """Store identities of files; the same file again replaces the earlier one."""

    def image_digests(self, seq: int) -> Sequence[str]:
        """Return the digests of the images that a task's executors ran, in order."""

    def copy_results(self, source: int, target: int) -> None:
        """Give the task ``target``, which has none, logs and outputs of ``source``."""


class CallReads(Protocol):
    """Reads of the call cache."""

    def call(self, task_id: TaskId) -> CallRecord | None:
        """Read the call of a task; None if the cache was off when it was created."""

    def image_digests(self, task_id: TaskId) -> Sequence[str]:
        """Read those of the executors of a task; empty if it is not there."""

    def identities(self, task_id: TaskId) -> Sequence[FileIdentity] | None:
        """Read those of the files of a reusable task; None if it is none (any more)."""

    def equal_call(self, call: CallRecord) -> TaskId | None:
        """Read the newest earlier COMPLETE task with the same scope and key.

        One that itself has the results of another does not count.
        """

    def comparable(self, task_id: TaskId, limit: int) -> Sequence[TaskId]:
        """List earlier COMPLETE tasks of the same owner, newest first.

        Those of the same name, if the task has one.
        """
