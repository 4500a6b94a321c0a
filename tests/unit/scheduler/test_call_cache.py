"""Which calls are equal, and what may be reused."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.scheduler_tasks import NOON
from tesk.v1 import task_pb2
from tesk_model.identities import FileIdentity
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain import call_cache as rules
from tesk_scheduler.domain.bounds import Retained
from tesk_scheduler.domain.call_differences import differences
from tesk_scheduler.domain.calls import CacheScope, CallRecord
from tesk_scheduler.domain.quota import Demand
from tesk_scheduler.domain.records import Document, TaskRecord
from tesk_scheduler.servicer.call_wire import call_of

DEMAND = Demand(cpu_millis=1000, ram=2**31, disk=2**30, gpu=0)
CALL = CallRecord(seq=1, scope="owner ada", key="k")
FIRST = TaskId("t-1")
FILE = FileIdentity(
    direction="inputs", url="s3://b/x", path="/x", size_bytes=1, identity='etag "a"'
)
COMPLETE = TaskRecord(
    seq=1,
    id=FIRST,
    owner="ada",
    group=None,
    demand=DEMAND,
    state=TaskState.COMPLETE,
    queued_at=NOON,
    attempt=1,
    inputs_finished=True,
    outputs_finished=True,
)
IDENTIFIED = replace(CALL, inputs_identified=True, outputs_identified=True)

TEXT = st.text(st.characters(codec="utf-8"), max_size=5)
EXECUTORS = st.builds(
    task_pb2.Executor,
    image=TEXT,
    command=st.lists(TEXT, max_size=2),
    workdir=st.none() | TEXT,
    stdin=st.none() | TEXT,
    env=st.dictionaries(TEXT, TEXT, max_size=2),
    ignore_error=st.none() | st.booleans(),
)
INPUTS = st.builds(
    task_pb2.Input,
    path=TEXT,
    url=TEXT,
    content=st.none() | TEXT,
    type=st.sampled_from([task_pb2.FILE_TYPE_FILE, task_pb2.FILE_TYPE_DIRECTORY]),
)
OUTPUTS = st.builds(
    task_pb2.Output,
    path=TEXT,
    url=TEXT,
    path_prefix=st.none() | TEXT,
    type=st.just(task_pb2.FILE_TYPE_FILE),
)
TASKS = st.builds(
    task_pb2.Task,
    executors=st.lists(EXECUTORS, max_size=2),
    inputs=st.lists(INPUTS, max_size=2),
    outputs=st.lists(OUTPUTS, max_size=2),
    volumes=st.lists(TEXT, max_size=2),
)


def key_of(task: task_pb2.Task, demand: Demand = DEMAND) -> str:
    described = call_of(Document(task.SerializeToString()))
    return rules.key_of(described.fields, demand)


def essence(task: task_pb2.Task) -> object:
    """Return what must be equal for equal keys, written independently of them."""
    return (
        [
            (
                each.image,
                list(each.command),
                each.workdir,
                each.stdin,
                dict(each.env),
                each.ignore_error,
            )
            for each in task.executors
        ],
        sorted(
            (each.path, each.type, each.content or each.url, bool(each.content))
            for each in task.inputs
        ),
        sorted(
            (each.path, each.type, each.url, each.path_prefix) for each in task.outputs
        ),
        set(task.volumes),
    )


@given(TASKS, TASKS)
def test_calls_with_one_key_are_the_same(
    one: task_pb2.Task, two: task_pb2.Task
) -> None:
    if key_of(one) == key_of(two):
        assert essence(one) == essence(two)
    else:
        assert one.SerializeToString(deterministic=True) != two.SerializeToString(
            deterministic=True
        )


@given(TASKS, TEXT, st.dictionaries(TEXT, TEXT, max_size=2))
def test_names_and_tags_do_not_matter(
    task: task_pb2.Task, name: str, tags: dict[str, str]
) -> None:
    other = task_pb2.Task()
    other.CopyFrom(task)
    other.name, other.description = name, name
    other.tags.update(tags)
    other.resources.preemptible = True
    other.resources.backend_parameters["max_attempts"] = "7"

    assert key_of(other) == key_of(task)


def test_each_output_has_its_own_prefix() -> None:
    one, two = (
        task_pb2.Task(
            outputs=[
                task_pb2.Output(path="/o/*", url="s3://b/1", path_prefix=first),
                task_pb2.Output(path="/o/*", url="s3://b/2", path_prefix=second),
            ]
        )
        for first, second in [("/o", None), (None, "/o")]
    )

    assert key_of(one) != key_of(two)


def test_amounts_matter_as_they_are_charged() -> None:
    task = task_pb2.Task()

    more = Demand(cpu_millis=2000, ram=2**31, disk=2**30, gpu=0)

    assert key_of(task, more) != key_of(task)


SCOPES = {
    "of the owner": (CacheScope.OWNER, "lab", "owner ada"),
    "of the group": (CacheScope.GROUP, "lab", "group lab"),
    "of the owner, who has no group": (CacheScope.GROUP, None, "owner ada"),
}


@pytest.mark.parametrize(("scope", "group", "want"), SCOPES.values(), ids=SCOPES)
def test_a_scope_is_that(scope: CacheScope, group: str | None, want: str) -> None:
    assert rules.scope_of(scope, "ada", group) == want


@given(TEXT, TEXT, TEXT, TEXT)
def test_no_owner_has_the_scope_of_another(
    owner: str, generation: str, other: str, another: str
) -> None:
    one = rules.scope_of(CacheScope.OWNER, owner, None, generation)
    two = rules.scope_of(CacheScope.OWNER, other, None, another)

    assert (one == two) == ((owner, generation) == (other, another))


def test_a_complete_task_with_everything_identified_is_reusable() -> None:
    done = rules.completed(IDENTIFIED, COMPLETE, ["sha256:1"])

    assert done.reusable
    assert done.problem == ""


NOT_REUSABLE = {
    "its inputs are not identified": (
        replace(IDENTIFIED, inputs_identified=False),
        ["d"],
        "inputs were identified",
    ),
    "its outputs are not identified": (
        replace(IDENTIFIED, outputs_identified=False),
        ["d"],
        "outputs were identified",
    ),
    "no executor ran": (IDENTIFIED, [], "no executor"),
    "the second image is not known": (IDENTIFIED, ["d", ""], "executors[1]"),
    "a file has no name": (replace(IDENTIFIED, problem="why"), ["d"], "why"),
}


@pytest.mark.parametrize(
    ("call", "digests", "want"), NOT_REUSABLE.values(), ids=NOT_REUSABLE
)
def test_a_task_is_not_reusable_while(
    call: CallRecord, digests: list[str], want: str
) -> None:
    done = rules.completed(call, COMPLETE, digests)

    assert not done.reusable
    assert want in done.problem


def test_a_task_without_inputs_needs_none_of_them_identified() -> None:
    record = COMPLETE.replaced(inputs_finished=False)
    call = replace(IDENTIFIED, inputs_identified=False)

    assert rules.completed(call, record, ["d"]).reusable


def test_too_many_files_are_not_reusable() -> None:
    full = replace(CALL, identities=Retained(rules.IDENTITIES - 1, 0))

    last = rules.with_identities(full, [FILE])
    beyond = rules.with_identities(last, [FILE])

    assert not last.problem
    assert beyond.problem == rules.TOO_MANY
    assert not rules.wants_identities(beyond)


def test_names_that_are_too_long_are_not_reusable() -> None:
    large = replace(FILE, url="s3://b/" + "x" * rules.IDENTITIES_BYTES)

    assert rules.with_identities(CALL, [large]).problem == rules.TOO_MANY


def test_the_first_result_of_a_check_is_final() -> None:
    call = rules.begun(CALL, FIRST)

    different = rules.checked(rules.checked(call, "changed"), "")

    assert different.difference == "changed"
    assert not rules.may_take(different, replace(CALL, reusable=True), FIRST)


def test_another_attempt_knows_nothing_of_the_one_before() -> None:
    used = replace(
        rules.checked(rules.begun(IDENTIFIED, FIRST), ""),
        problem="a file has no identity",
        identities=Retained(3, 99),
    )

    assert rules.begun(used, None) == CALL


def test_a_call_without_a_key_keeps_its_reason() -> None:
    keyless = replace(CALL, key="", problem="why")

    assert rules.begun(keyless, None) == keyless
    assert rules.completed(keyless, COMPLETE, ["d"]) == keyless
    assert not rules.wants_identities(keyless)


CHECKED = rules.checked(rules.begun(CALL, FIRST), "")
REUSABLE = replace(CALL, seq=2, reusable=True)
NOT_TAKEN = {
    "that was not checked": (rules.begun(CALL, FIRST), REUSABLE),
    "that is gone": (CHECKED, None),
    "that is not reusable": (CHECKED, replace(REUSABLE, reusable=False)),
    "of another key": (CHECKED, replace(REUSABLE, key="other")),
    "of another scope": (CHECKED, replace(REUSABLE, scope="owner bob")),
    "of no candidate": (rules.checked(rules.begun(CALL, None), ""), REUSABLE),
}


def test_a_checked_candidate_may_be_taken() -> None:
    assert rules.may_take(CHECKED, REUSABLE, FIRST)


@pytest.mark.parametrize(("call", "other"), NOT_TAKEN.values(), ids=NOT_TAKEN)
def test_nothing_is_taken(call: CallRecord, other: CallRecord | None) -> None:
    assert not rules.may_take(call, other, FIRST)


def test_of_a_file_the_last_identity_counts() -> None:
    newer = replace(FILE, identity='etag "b"')
    other = replace(FILE, path="/y")

    assert rules.merged([[FILE, other], [newer]]) == [newer, other]


@given(st.dictionaries(TEXT, TEXT, max_size=5), st.dictionaries(TEXT, TEXT, max_size=5))
def test_differences_are_the_fields_that_differ(
    one: dict[str, str], two: dict[str, str]
) -> None:
    found = {
        each.field: (each.value, each.candidate_value) for each in differences(one, two)
    }

    assert found == {
        name: (one.get(name, ""), two.get(name, ""))
        for name in one.keys() | two.keys()
        if one.get(name) != two.get(name)
    }
