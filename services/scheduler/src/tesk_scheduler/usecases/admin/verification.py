"""Compares counters, tasks, taskmasters and cluster, and repairs what differs.

Each repair is one transaction or one deletion. What is not in the store is fenced by
the leader's epoch: a scheduler that was cut off from the store repairs nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from tesk_scheduler.domain.quota import Usage
from tesk_scheduler.domain.verification import (
    Finding,
    FindingKind,
    is_left_over,
    left_over_finding,
    missing_taskmasters,
    unknown_taskmasters,
    unreadable_finding,
    usage_differences,
    usage_findings,
)
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.launcher import LaunchError, TaskmasterLauncher
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.ports.task_objects import (
    ClusterReadError,
    TaskObject,
    TaskObjects,
)
from tesk_scheduler.usecases.admin.checks import (
    check_operator,
    present_epoch,
    repaired,
)
from tesk_scheduler.usecases.admin.stranded_tasks import StrandedTasks

_TASKS_AT_ONCE = 500
Repair = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Finds disagreements.

    Attributes:
        stranded: Finds tasks that nobody has.
    """

    store: TaskStore
    launcher: TaskmasterLauncher
    objects: TaskObjects
    clock: Clock
    stranded: StrandedTasks

    def verify(self, operator: str, *, fix: bool, cluster: bool) -> list[Finding]:
        """Return what was found; with ``fix``, after its repair.

        Args:
            operator: Who wants it.
            fix: Repair what can be.
            cluster: Also compare with the taskmasters that run and, in a cluster, with
                the objects of tasks.

        Raises:
            ConflictError: Another scheduler leads now; repairs before that were done.
        """
        check_operator(operator)
        # Counters first: they are changed from what the tasks use.
        findings = self._usage(operator, fix=fix)
        findings += self._unreadable(operator, fix=fix)
        findings += self.stranded.verify(operator, fix=fix)
        if cluster:
            fence = (
                _Fence(self.store, operator, present_epoch(self.store)) if fix else None
            )
            findings += self._taskmasters(fence)
            findings += self._objects(fence)
        return findings

    def _usage(self, operator: str, *, fix: bool) -> list[Finding]:
        counted, counters = self.store.recounted()
        findings = usage_findings(usage_differences(counted, counters), counters)
        if not fix or not findings:
            return findings

        def repair(tx: Transaction) -> list[Finding]:
            counted, counters = tx.recount()
            right = usage_differences(counted, counters)
            tx.set_usage({each: counted.get(each, Usage()) for each in right})
            findings = usage_findings(right, counters)
            for finding in findings:
                tx.announce(repaired(operator, finding))
            return findings

        return [replace(each, fixed=True) for each in self.store.write(repair)]

    def _unreadable(self, operator: str, *, fix: bool) -> list[Finding]:
        names = self.store.unreadable_usage()
        if not fix or not names:
            return list(map(unreadable_finding, names))

        def repair(tx: Transaction) -> list[Finding]:
            findings = list(map(unreadable_finding, tx.delete_unreadable_usage()))
            for finding in findings:
                tx.announce(repaired(operator, finding))
            return findings

        return [replace(each, fixed=True) for each in self.store.write(repair)]

    def _taskmasters(self, fence: "_Fence | None") -> list[Finding]:
        try:
            alive, ended = set(self.launcher.alive()), set(self.launcher.ended())
        except LaunchError as error:
            return [_not_checked("taskmasters", str(error))]
        members = self.store.fleet()
        return [
            *(
                _repaired(finding, fence, partial(self._end, finding.name))
                for finding in unknown_taskmasters(alive | ended, members)
            ),
            *missing_taskmasters(alive, members, self.clock.now()),
        ]

    def _end(self, name: str) -> None:
        try:
            self.launcher.kill(name)
        except LaunchError as error:
            raise ClusterReadError(str(error)) from error

    def _objects(self, fence: "_Fence | None") -> list[Finding]:
        try:
            found = list(self.objects.list())
        except ClusterReadError as error:
            return [_not_checked("objects of tasks", str(error))]
        return [
            _repaired(finding, fence, partial(self.objects.remove, each))
            for each, finding in self._left_over(found)
        ]

    def _left_over(
        self, found: Iterable[TaskObject]
    ) -> Iterator[tuple[TaskObject, Finding]]:
        by_task = sorted(found)
        for first in range(0, len(by_task), _TASKS_AT_ONCE):
            some = by_task[first : first + _TASKS_AT_ONCE]
            ids = {each.attempt.task_id for each in some}
            known = self.store.known_attempts(sorted(ids))
            for each in some:
                latest = known.get(each.attempt.task_id)
                if is_left_over(each.attempt, latest):
                    name = f"{each.namespace}/{each.name}"
                    yield each, left_over_finding(each.kind, name, latest)


@dataclass(frozen=True, slots=True)
class _Fence:
    """Lets a repair happen only while the leader of the beginning leads."""

    store: TaskStore
    operator: str
    epoch: int

    def check(self, finding: Finding) -> None:
        """Raise ConflictError if another leads; else note what is repaired now."""

        def announce(tx: Transaction) -> None:
            tx.check_epoch(self.epoch)
            tx.announce(repaired(self.operator, finding))

        self.store.write(announce)


def _repaired(finding: Finding, fence: _Fence | None, repair: Repair) -> Finding:
    if fence is None:
        return finding
    fence.check(finding)
    try:
        repair()
    except ClusterReadError as error:
        return replace(finding, text=f"{finding.text}; not repaired: {error}")
    return replace(finding, fixed=True)


def _not_checked(what: str, why: str) -> Finding:
    return Finding(kind=FindingKind.NOT_CHECKED, name=what, text=why)
