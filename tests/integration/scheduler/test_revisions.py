"""New work goes to taskmasters of the present revision; older ones finish and go."""

from datetime import timedelta
from pathlib import Path

from schedulers.served import TOKEN
from schedulers.stepped import LEASE, SteppedSchedulers
from taskmasters.launchers import PodLaunchers, make_template
from tesk_model.names import Attempt
from tesk_model.task import TaskId
from tesk_scheduler.adapters.local_launcher import LocalLauncher
from tesk_scheduler.domain.orders import Orders
from tesk_scheduler.ports.store import Transaction
from tesk_scheduler.usecases.leader_loop import LeaderLoop
from tesk_scheduler.usecases.notifier import Notifier
from tesk_scheduler.usecases.syncing import LeaseTerms, SyncCall, Syncing


def busy_old_one(stepped: SteppedSchedulers) -> LeaderLoop:
    """Return the leader after an upgrade: tm-1 is of the revision before."""
    stepped.launcher.present_revision = "old"
    stepped.add("t-1")
    stepped.scheduler().reconcile()
    stepped.call("tm-1", slots=5)
    stepped.launcher.present_revision = "new"
    return stepped.scheduler()


def sync(stepped: SteppedSchedulers, name: str, *held: str) -> Orders:
    """Let a taskmaster call the scheduler after the upgrade."""
    syncing = Syncing(
        store=stepped.store,
        clock=stepped.clock,
        notifier=Notifier(),
        terms=LeaseTerms(
            secret=TOKEN,
            lease=LEASE,
            idle=timedelta(hours=1),
            recheck=None,
            revision=stepped.launcher.revision,
        ),
    )
    return syncing.sync(
        SyncCall(
            taskmaster=name,
            held=frozenset(Attempt(TaskId(each), 1) for each in held),
            slots=5,
            wait=timedelta(0),
        )
    )


def start_all(stepped: SteppedSchedulers) -> None:
    """Let as many taskmasters start as there may be, which is a few at a time."""
    leader = stepped.scheduler()
    for _ in range(2):
        leader.reconcile()
        stepped.wait(20)


def release(tx: Transaction) -> None:
    """End what tm-1 has."""
    (record,) = tx.records([TaskId("t-1")]).values()
    tx.save(record, record.replaced(released=True))


def test_new_work_goes_to_the_new_revision_though_the_old_one_has_room(
    stepped: SteppedSchedulers,
) -> None:
    leader = busy_old_one(stepped)
    stepped.add("t-2")

    leader.reconcile()

    assert stepped.record("t-1").taskmaster == "tm-1"
    assert stepped.record("t-2").taskmaster == "tm-2"
    assert {each.id: each.revision for each in stepped.store.fleet()} == {
        "tm-1": "old",
        "tm-2": "new",
    }


def test_an_old_taskmaster_finishes_its_attempts_and_exits_at_once(
    stepped: SteppedSchedulers,
) -> None:
    busy_old_one(stepped)

    busy = sync(stepped, "tm-1", "t-1")
    stepped.store.write(release)
    idle = sync(stepped, "tm-1")

    assert not busy.exit
    assert busy.stop == ()
    assert idle.exit
    assert stepped.store.fleet() == []


def test_an_idle_taskmaster_of_the_present_revision_stays(
    stepped: SteppedSchedulers,
) -> None:
    busy_old_one(stepped)
    stepped.launcher.present_revision = "old"
    stepped.store.write(release)

    assert not sync(stepped, "tm-1").exit


def test_attempts_of_a_lost_old_taskmaster_go_to_a_new_one(
    stepped: SteppedSchedulers,
) -> None:
    leader = busy_old_one(stepped)
    stepped.launcher.die("tm-1", 1)

    leader.reconcile()

    assert stepped.record("t-1").attempt == 1
    assert stepped.record("t-1").taskmaster == "tm-2"
    assert [each.revision for each in stepped.store.fleet()] == ["new"]


def test_old_taskmasters_that_run_for_days_leave_room_for_as_many_new_ones(
    stepped: SteppedSchedulers,
) -> None:
    stepped.launcher.present_revision = "old"
    stepped.add("t-1", "t-2", "t-3")
    start_all(stepped)
    stepped.launcher.present_revision = "new"
    stepped.add("t-4", "t-5", "t-6", "t-7")

    start_all(stepped)
    stepped.launcher.present_revision = "newest"
    start_all(stepped)

    assert len(stepped.store.fleet()) == 6
    assert stepped.record("t-6").taskmaster == "tm-6"
    assert stepped.record("t-7").taskmaster is None


def test_the_template_and_the_launcher_of_executors_make_the_revision_of_a_pod(
    tmp_path: Path,
) -> None:
    cluster = PodLaunchers(folder=tmp_path)
    with cluster.synced() as launcher:
        first = launcher.revision()
        again = launcher.revision()
        cluster.write_template(make_template(priorityClassName="high"))
        changed = launcher.revision()
        launcher.launch("tm-1")
        (tmp_path / "taskmaster-pod.yaml").unlink()
        unreadable = launcher.revision()

    labels = cluster.pod("tm-1")["metadata"]["labels"]
    assert first == again != changed == unreadable
    assert labels["tesk/revision"] == changed


def test_settings_make_the_revision_of_a_process(tmp_path: Path) -> None:
    settings = tmp_path / "tesk.yaml"

    def revision(text: str, **environment: str) -> str:
        settings.write_text(text, "utf-8")
        given = {"TESK_CONFIG": str(settings), **environment}
        return LocalLauncher(
            tmp_path / "taskmasters", environment=given, changed=lambda: None
        ).revision()

    same = {revision("{}", PATH=path) for path in ("/bin", "/usr/bin")}
    others = {
        revision("log: {level: debug}"),
        revision("{}", TESK_ENGINE="sandbox"),
        *same,
    }

    assert len(same) == 1
    assert len(others) == 3
