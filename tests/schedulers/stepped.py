"""Schedulers on one store whose rounds and clock a test controls."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

from builders.scheduler_tasks import make_demand, make_new_task
from fakes.scheduler_environment import CountingIds, FrozenClock
from fakes.scheduler_launcher import FakeLauncher
from schedulers.served import NO_QUOTA_CHECK, QUOTA, TOKEN
from tesk_model.names import Attempt
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.config import SchedulerSettings, Settings
from tesk_scheduler.domain.quota import Quota
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.main import build_scheduler
from tesk_scheduler.ports.cluster import Cluster
from tesk_scheduler.ports.launcher import TaskmasterLauncher
from tesk_scheduler.ports.observer import NoObserver, Observer
from tesk_scheduler.servicer.scheduler import Dependencies
from tesk_scheduler.usecases.leader_loop import LeaderLoop
from tesk_scheduler.usecases.notifier import Notifier
from tesk_scheduler.usecases.syncing import LeaseTerms, SyncCall, Syncing

LEASE = timedelta(seconds=30)
SETTINGS = SchedulerSettings(
    lease=LEASE, tasks_per_taskmaster=1, max_taskmasters=3, launcher="kubernetes"
)


class IdGenerator(CountingIds):
    """Gives the id of a scheduler first, then tm-1, tm-2, … shared by all."""

    def __init__(self, scheduler: str, others: CountingIds) -> None:
        super().__init__()
        self._given = [scheduler]
        self._others = others

    def taskmaster_id(self) -> str:
        return self._given.pop() if self._given else self._others.taskmaster_id()


@dataclass(kw_only=True)
class SteppedSchedulers:
    """A store, a launcher, and schedulers whose rounds a test runs."""

    store: SqlTaskStore
    launcher: FakeLauncher
    clock: FrozenClock
    cluster: Cluster | None = None
    observer: Observer = field(default_factory=NoObserver)
    quota: Quota = QUOTA
    settings: SchedulerSettings = SETTINGS
    ids: CountingIds = field(default_factory=CountingIds)
    schedulers: Iterator[int] = field(default_factory=count)

    def scheduler(
        self, launcher: TaskmasterLauncher | None = None, *, exclusive: bool = True
    ) -> LeaderLoop:
        """Start one."""
        dependencies = Dependencies(
            store=self.store,
            deliveries=self.store.deliveries,
            exclusive=exclusive,
            launcher=launcher or self.launcher,
            clock=self.clock,
            ids=IdGenerator(f"scheduler-{next(self.schedulers)}", self.ids),
            token=TOKEN,
            quotas=self,
            check_quota=NO_QUOTA_CHECK,
            notifier=Notifier(),
            cluster=self.cluster,
            observer=self.observer,
        )
        return build_scheduler(
            Settings(scheduler=self.settings), dependencies
        ).leader_loop

    def current(self) -> Quota:
        """Return the quota in force, which a test may change; see ``QuotaSource``."""
        return self.quota

    def add(self, *ids: str, owner: str = "alice") -> None:
        """Submit tasks of a tenth of a core."""
        small = make_demand(cpu_millis=100)
        tasks = [make_new_task(each, demand=small, owner=owner) for each in ids]
        self.store.write(lambda tx: tx.add_tasks(tasks))

    def record(self, task_id: str = "t-1") -> TaskRecord:
        """Return a task."""
        record = self.store.record(TaskId(task_id))
        assert record is not None
        return record

    def call(self, name: str, *held: str, slots: int = 1) -> None:
        """Let a taskmaster call."""
        terms = LeaseTerms(
            secret=TOKEN,
            lease=LEASE,
            idle=timedelta(hours=1),
            recheck=None,
            revision=lambda: "",
        )
        syncing = Syncing(
            store=self.store, clock=self.clock, notifier=Notifier(), terms=terms
        )
        syncing.sync(
            SyncCall(
                taskmaster=name,
                held=frozenset(Attempt(TaskId(each), 1) for each in held),
                slots=slots,
                wait=timedelta(0),
            )
        )

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(seconds=seconds))


def lose_a_taskmaster(store: SqlTaskStore) -> None:
    """Let a scheduler on ``store`` lose taskmaster tm-1, whose task is taken over."""
    stepped = SteppedSchedulers(
        store=store, launcher=FakeLauncher(), clock=FrozenClock()
    )
    leader = stepped.scheduler()
    stepped.add("t-1")
    leader.reconcile()
    stepped.call("tm-1")
    leader.reconcile()
    stepped.launcher.vanish("tm-1")
    stepped.wait(31)
    leader.reconcile()
