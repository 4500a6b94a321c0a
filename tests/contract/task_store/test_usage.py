"""What tasks use is counted for all that they are charged to."""

from builders.scheduler_tasks import make_demand, make_new_task
from schedulers.units_of_work import add, begin
from tesk_model.task import TaskId
from tesk_scheduler.domain.dimensions import GPU, RAM
from tesk_scheduler.domain.quota import EVERYBODY, Subject, SubjectKind, Usage
from tesk_scheduler.ports.store import TaskStore

ALICE = Subject(SubjectKind.USER, "alice")


def test_usage_follows_the_state(store: TaskStore) -> None:
    add(store, make_new_task("t-1"), make_new_task("t-2", owner="bob", group="g"))
    begin(store, "t-1")

    usage = store.usage_of_all()

    ram = make_new_task("t-1").demand[RAM]
    running = Usage(running=1, cpu_millis=1000, ram=ram)
    assert usage[ALICE] == running
    assert usage[Subject(SubjectKind.GROUP, "g")] == Usage(queued=1)
    assert usage[EVERYBODY] == running.plus(Usage(queued=1))


def test_usage_of_an_unknown_subject_is_nothing(store: TaskStore) -> None:
    assert store.write(lambda tx: tx.usage({ALICE})) == {ALICE: Usage()}


def test_gpus_of_a_type_and_namespaces_have_counters_of_their_own(
    store: TaskStore,
) -> None:
    demand = make_demand(gpu=2)
    a100 = make_new_task("t-1", gpu_type="a100", namespace='team "a"', demand=demand)
    add(store, a100, make_new_task("t-2", demand=demand))
    begin(store, "t-1")
    begin(store, "t-2")

    usage = store.usage_of_all()

    namespace = Subject(SubjectKind.NAMESPACE, 'team "a"')
    assert usage[EVERYBODY][GPU] == 4
    assert usage[EVERYBODY._replace(gpu_type="a100")][GPU] == 2
    assert usage[ALICE._replace(gpu_type="a100")][GPU] == 2
    assert usage[namespace] == usage[namespace._replace(gpu_type="a100")]
    assert store.write(lambda tx: tx.usage({namespace}))[namespace][GPU] == 2
    record = store.record(TaskId("t-1"))
    assert record is not None
    assert (record.gpu_type, record.namespace) == ("a100", 'team "a"')
    assert set(record.subjects) <= usage.keys()


def test_a_queued_task_is_charged_to_all_that_it_was_stored_with(
    store: TaskStore,
) -> None:
    task = make_new_task("t-1", group="g", gpu_type="a100", namespace="n")
    add(store, task)

    ((queued,),) = store.queues(5)

    assert queued.subjects == task.subjects
