"""Tells what would come of a task if it were created now; writes nothing.

By the functions that submission and admission decide with, on a snapshot. Others
create and end tasks meanwhile, so that the result is an estimate.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tesk_model.errors import InvalidRequestError, ResourceExhaustedError, TeskError
from tesk_model.reasons import NO_REASON, Reason, ReasonCode
from tesk_model.task_checks import LimitUse, Placement
from tesk_scheduler.domain.capacity import Capacity, count_fitting
from tesk_scheduler.domain.charging import gpu_type_of
from tesk_scheduler.domain.dimensions import QUEUED
from tesk_scheduler.domain.holds import Holds
from tesk_scheduler.domain.limit_uses import limit_uses
from tesk_scheduler.domain.limits import queue_problems
from tesk_scheduler.domain.quota import Quota, Subject, SubjectKind, Usage
from tesk_scheduler.domain.records import NewTask, QueuePlace
from tesk_scheduler.domain.room import Room
from tesk_scheduler.ports.cluster import Cluster
from tesk_scheduler.ports.environment import Clock, IdGenerator
from tesk_scheduler.ports.quota import QuotaSource
from tesk_scheduler.ports.store import TaskStore
from tesk_scheduler.usecases.acceptance import Acceptance, Draft
from tesk_scheduler.usecases.queue_places import QueuePlaces, format_queue_position
from tesk_scheduler.usecases.submission import RETRY_AFTER

# Seconds: many ask, and what they ask about changes with every task that ends.
_SNAPSHOT_LASTS = 1.0
_LAYOUT = "layout"
_NOTHING = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What a task would meet.

    Attributes:
        limits: All that bind it.
        placement: Where it would run.
        reason: What it would wait for; without text it would start at once.
        place: In the queue; None if that is not known.
        warnings: First lines of its ``system_logs``.
    """

    limits: tuple[LimitUse, ...]
    placement: Placement
    reason: Reason
    place: QueuePlace | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunResult:
    """What would come of a task.

    Attributes:
        refusal: Why it would not be created; None if it would.
        prospect: None if it is refused for what is wrong with the task itself.
    """

    refusal: TeskError | None
    prospect: Prospect | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where tasks of this installation run.

    Attributes:
        runtime: ``machine`` or ``cluster``.
        namespaces: Of a cluster; a task runs in one of them, by its id.
        cluster: Whose nodes are known, if tasks run on one.
        capacity: Returns what the cluster has by a quota; None: no limit.
        slot_shortage: Returns why no taskmaster takes another task; None if one does.
    """

    runtime: str
    namespaces: Sequence[str]
    cluster: Cluster | None
    capacity: Callable[[Quota], Capacity | None]
    slot_shortage: Callable[[], Reason | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Snapshot:
    """What is decided on."""

    quota: Quota
    usage: Mapping[Subject, Usage]
    holds: Holds
    capacity: Capacity | None
    slot_shortage: Reason | None


@dataclass(slots=True, kw_only=True)
class DryRun:
    """Checks drafts as if they were submitted; thread-safe."""

    store: TaskStore
    clock: Clock
    ids: IdGenerator
    quotas: QuotaSource
    acceptance: Acceptance
    places: QueuePlaces
    site: Site
    _snapshot: _Snapshot | None = field(default=None, init=False)
    _taken_at: float = field(default=0.0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def of(self, draft: Draft) -> DryRunResult:
        """Return what would come of ``draft``.

        Where there are several namespaces the id of the task would choose one: the
        result is that of the one in which least is left for it.
        """
        now = self._current()
        results = [
            self._in_namespace(draft, namespace, now)
            for namespace in self.site.namespaces or ("",)
        ]
        return max(results, key=_severity)

    def _in_namespace(
        self, draft: Draft, namespace: str, now: _Snapshot
    ) -> DryRunResult:
        task = self.acceptance.accept(
            draft,
            now.quota,
            defaults=now.quota.default_demand,
            task_id=self.ids.task_id(),
            namespace=namespace,
        )
        if isinstance(task, TeskError):
            return DryRunResult(refusal=task, prospect=None)
        [problem] = queue_problems([task.subjects], now.usage, now.quota)
        return DryRunResult(
            refusal=ResourceExhaustedError(problem, RETRY_AFTER) if problem else None,
            prospect=self._prospect(task, draft, now),
        )

    def _prospect(self, task: NewTask, draft: Draft, now: _Snapshot) -> Prospect:
        place = self._place(task, now)
        return Prospect(
            limits=limit_uses(
                task.demand,
                task.subjects,
                usage=now.usage,
                quota=now.quota,
                cluster=now.capacity,
            ),
            placement=self._placement(task, draft, now),
            reason=_reason(task, place, now),
            place=place,
            warnings=task.lines,
        )

    def _place(self, task: NewTask, now: _Snapshot) -> QueuePlace | None:
        user = Subject(SubjectKind.USER, task.owner)
        queued = int(now.usage.get(user, _NOTHING)[QUEUED])
        if queued and task.priority > 0:
            return None  # it comes before some of them
        return self.places.place_of_next(task.owner, queued)

    def _placement(self, task: NewTask, draft: Draft, now: _Snapshot) -> Placement:
        asked = {key.lower(): value for key, value in draft.parameters.items()}
        placement = Placement(
            runtime=self.site.runtime,
            namespaces=tuple(self.site.namespaces),
            layout=asked.get(_LAYOUT),
        )
        cluster = self.site.cluster
        if cluster is None or not now.quota.finds_capacity:
            return placement
        nodes = cluster.nodes(now.quota.node_reserve)
        if nodes is None:
            return placement
        usable = nodes.by_gpu_type.get(gpu_type_of(task.subjects), nodes.every)
        return replace(
            placement,
            nodes=len(nodes.every),
            fitting_nodes=count_fitting(usable, task.demand, cluster.own_pods()),
        )

    def _current(self) -> _Snapshot:
        with self._lock:
            now = self.clock.monotonic()
            if self._snapshot is None or now - self._taken_at >= _SNAPSHOT_LASTS:
                self._snapshot = self._take()
                self._taken_at = now
            return self._snapshot

    def _take(self) -> _Snapshot:
        quota = self.quotas.current()
        return _Snapshot(
            quota=quota,
            usage=self.store.usage_of_all(),
            holds=Holds(self.store.holds()),
            capacity=self.site.capacity(quota),
            slot_shortage=self.site.slot_shortage(),
        )


def _reason(task: NewTask, place: QueuePlace | None, now: _Snapshot) -> Reason:
    """Return what a task would wait for; NO_REASON if it would start at once.

    What holds for longest comes first: a hold, nodes that are too small, limits and
    capacity, taskmasters, and tasks of the same owner.
    """
    if held := now.holds.reason(task):
        return held
    if now.capacity is not None:
        misfit = now.capacity.misfit(task.demand, gpu_type_of(task.subjects))
        if misfit is not None:
            return misfit
    blocker = Room(now.usage, now.quota, now.capacity).blocker(
        task.subjects, task.demand
    )
    if blocker is not None:
        return blocker.reason
    if now.slot_shortage is not None:
        return now.slot_shortage
    if place is None or place.before:
        behind = place or QueuePlace(before=0)
        text = format_queue_position(behind, task.owner)
        return Reason(ReasonCode.ADMISSION_PENDING, text)
    return NO_REASON


def _severity(result: DryRunResult) -> int:
    """Order results by how far a task is from starting."""
    if isinstance(result.refusal, InvalidRequestError):
        return 3
    if result.refusal is not None:
        return 2
    return 1 if result.prospect and result.prospect.reason.text else 0
