"""The results of a task count for an equal one, and for no other."""

from datetime import timedelta
from typing import Any

import pytest

from schedulers.calls import FILES, INPUT, CallRuns
from schedulers.served import RunningScheduler
from tesk.v1 import assignment_service_pb2 as assignment_pb
from tesk.v1 import task_pb2, task_service_pb2
from tesk.v1 import transfer_service_pb2 as pb
from tesk_model.errors import NotFoundError
from tesk_model.task import TaskId
from tesk_scheduler.config import SchedulerSettings
from tesk_scheduler.domain.calls import CacheScope
from tesk_scheduler.domain.occurrences import CandidateChecked

BOB = task_service_pb2.Caller(user="bob")
HIT = task_service_pb2.CALL_CACHE_RESULT_HIT
NO_KEY = task_service_pb2.CALL_CACHE_RESULT_NO_KEY
NO_CANDIDATE = task_service_pb2.CALL_CACHE_RESULT_NO_CANDIDATE
DIFFERENT = task_service_pb2.CALL_CACHE_RESULT_DIFFERENT


@pytest.fixture
def scheduler_settings() -> SchedulerSettings:
    """One taskmaster, and results of the same owner."""
    return SchedulerSettings(
        max_taskmasters=1,
        lease=timedelta(seconds=30),
        retry_backoff=timedelta(0),
        call_cache=CacheScope.OWNER,
    )


@pytest.fixture
def runs(running: RunningScheduler) -> CallRuns:
    """Play taskmaster and filers."""
    return CallRuns(running)


def checks(runs: CallRuns) -> list[tuple[str, bool]]:
    """Return the candidates that were checked, and whether they were taken."""
    return [
        (each.candidate, each.taken)
        for each in runs.running.observer.occurrences
        if isinstance(each, CandidateChecked)
    ]


def test_an_equal_task_has_the_results_of_the_first(runs: CallRuns) -> None:
    first = runs.run(runs.begin(name="one"))

    second = runs.begin(name="another", tags={"n": "2"})
    runs.check(second)
    runs.take(second)

    task_id = second.attempt.task_id
    done, model = runs.running.get(task_id), runs.running.get(first)
    assert done.state == task_pb2.TASK_STATE_COMPLETE
    assert done.logs[0].logs == model.logs[0].logs
    assert done.logs[0].outputs == model.logs[0].outputs
    assert done.logs[0].metadata == {"call_cache": first}
    assert any(f"results of task {first} count" in x for x in done.logs[0].system_logs)
    explained = runs.explain(task_id)
    assert (explained.result, explained.candidate) == (HIT, first)
    assert not explained.reusable
    assert runs.explain(first).reusable
    assert checks(runs) == [(first, True)]


def test_a_check_compares_what_the_first_one_left(runs: CallRuns) -> None:
    first = runs.run(runs.begin())

    second = runs.begin()

    assert second.candidate == assignment_pb.Candidate(
        task_id=first, image_digests=[runs.digest]
    )
    assert runs.to_compare(second) == pb.GetCheckResponse(
        inputs=[INPUT], files=FILES, owner="alice"
    )


def test_a_task_with_taken_results_is_no_candidate(runs: CallRuns) -> None:
    first = runs.run(runs.begin())
    second = runs.begin()
    runs.check(second)
    runs.take(second)

    third = runs.begin()

    assert third.candidate.task_id == first


def test_a_successor_knows_that_files_are_equal(runs: CallRuns) -> None:
    runs.run(runs.begin())
    second = runs.begin()
    runs.check(second)
    runs.check(second, "the second result does not count")

    successor = runs.running.taskmaster("successor")
    offered = successor.sync(0.0)  # it has no attempts
    again = runs.running.store.call(TaskId(second.attempt.task_id))

    assert not offered.run
    assert again is not None
    assert again.difference == ""


def test_after_a_difference_the_task_runs_and_is_the_next_candidate(
    runs: CallRuns,
) -> None:
    first = runs.run(runs.begin())
    second = runs.begin()
    runs.check(second, "input /in (s3://b/in) is another one")
    runs.report(second, candidate_rejected=assignment_pb.CandidateRejected())

    with pytest.raises(NotFoundError):
        runs.to_compare(second)
    runs.run(second)

    task_id = second.attempt.task_id
    explained = runs.explain(task_id)
    assert (explained.result, explained.candidate) == (DIFFERENT, first)
    assert "input /in (s3://b/in) is another one" in explained.explanation
    lines = runs.running.get(task_id).logs[0].system_logs
    assert f"call cache: the results of task {first} do not count" in str(lines)
    assert checks(runs) == [(first, False)]
    assert runs.begin().candidate.task_id == task_id


def test_an_image_that_changed_is_named(runs: CallRuns) -> None:
    runs.run(runs.begin())
    second = runs.begin()
    runs.check(second)
    why = "image busybox of executors[0] is another one now"
    runs.report(
        second, candidate_rejected=assignment_pb.CandidateRejected(difference=why)
    )

    explained = runs.explain(runs.run(second))

    assert explained.result == DIFFERENT
    assert why in explained.explanation


def test_results_that_no_filer_has_checked_are_not_taken(runs: CallRuns) -> None:
    runs.run(runs.begin())
    second = runs.begin()

    runs.take(second)
    again = runs.assigned()

    assert again.attempt.number == 2
    task = runs.running.get(again.attempt.task_id)
    assert task.state == task_pb2.TASK_STATE_INITIALIZING


def test_a_taskmaster_cannot_take_the_results_of_another_task(runs: CallRuns) -> None:
    others = runs.run(runs.begin(caller=BOB))
    runs.run(runs.begin())
    second = runs.begin()
    runs.check(second)

    runs.finish(second, candidate=others)
    again = runs.assigned()

    assert again.attempt.number == 2
    assert not runs.running.get(again.attempt.task_id).logs[0].outputs


def test_an_end_that_is_reported_twice_counts_once(runs: CallRuns) -> None:
    first = runs.run(runs.begin())
    second = runs.begin()
    runs.check(second)
    runs.take(second)
    end = assignment_pb.TaskEvent(
        attempt=second.attempt,
        sequence=second.last_sequence - 1,
        finished=assignment_pb.Finished(
            outcome=assignment_pb.OUTCOME_COMPLETE, candidate=first
        ),
    )

    verdicts = runs.running.taskmaster(runs.taskmaster).report([end, end])

    assert verdicts == [assignment_pb.EVENT_VERDICT_DUPLICATE] * 2
    done = runs.running.get(second.attempt.task_id)
    assert done.state == task_pb2.TASK_STATE_COMPLETE
    assert done.logs[0].outputs == runs.running.get(first).logs[0].outputs


def test_a_candidate_that_was_deleted_leads_to_another_attempt(runs: CallRuns) -> None:
    runs.run(runs.begin())
    second = runs.begin()
    runs.check(second)
    late = runs.running.store.record(TaskId(second.attempt.task_id))
    assert late is not None
    assert late.started_at is not None
    ended_before = late.started_at
    deleted = runs.running.store.write(
        lambda tx: tx.delete_tasks(ended_before=ended_before, limit=10)
    )
    assert deleted == 1

    runs.take(second)
    again = runs.assigned()

    assert not again.HasField("candidate")
    runs.run(again)
    task = runs.running.get(again.attempt.task_id)
    assert task.state == task_pb2.TASK_STATE_COMPLETE
    assert "are gone" in str(task.logs[0].system_logs)
    assert "(does not count)" in str(task.logs[0].system_logs)


def test_a_canceled_task_takes_nothing(runs: CallRuns) -> None:
    runs.run(runs.begin())
    second = runs.begin()
    runs.check(second)
    runs.running.cancel(second.attempt.task_id)

    runs.take(second)

    task = runs.running.get(second.attempt.task_id)
    assert task.state == task_pb2.TASK_STATE_CANCELED
    assert not task.logs[0].outputs
    explained = runs.explain(second.attempt.task_id)
    assert explained.result == DIFFERENT
    assert "had not been compared to the end" in explained.explanation


def test_another_owner_has_no_candidate(runs: CallRuns) -> None:
    runs.run(runs.begin())

    other = runs.begin(caller=BOB)

    assert not other.HasField("candidate")
    runs.run(other)
    explained = runs.explain(other.attempt.task_id, BOB)
    assert (explained.result, explained.candidate) == (NO_CANDIDATE, "")
    with pytest.raises(NotFoundError):
        runs.explain(other.attempt.task_id)


FILE = task_pb2.FILE_TYPE_FILE
OTHERS = {
    "another input": (
        {"inputs": [task_pb2.Input(path="/in", url="s3://b/2", type=FILE)]},
        [("inputs[/in]", "FILE s3://b/2", "FILE s3://b/in")],
    ),
    "a content": (
        {"inputs": [task_pb2.Input(path="/in", content="x", type=FILE)]},
        None,
    ),
    "another output": (
        {"outputs": [task_pb2.Output(path="/out", url="s3://b/2", type=FILE)]},
        [("outputs[/out]", "FILE s3://b/2", "FILE s3://b/out")],
    ),
    "another directory": (
        {
            "executors": [
                task_pb2.Executor(image="busybox", command=["true"], workdir="/w")
            ]
        },
        [("executors[0].workdir", "/w", "")],
    ),
    "more cores": (
        {"resources": task_pb2.Resources(cpu_cores=2)},
        [("resources.cpu_cores", "2", "1")],
    ),
    "another volume": ({"volumes": ["/v"]}, [("volumes[/v]", "volume", "")]),
}


@pytest.mark.parametrize(("fields", "want"), OTHERS.values(), ids=OTHERS)
def test_another_call_is_told_by_its_fields(
    runs: CallRuns, fields: dict[str, Any], want: list[tuple[str, str, str]] | None
) -> None:
    first = runs.run(runs.begin())

    other = runs.begin(**fields)

    assert not other.HasField("candidate")
    explained = runs.explain(other.attempt.task_id)
    assert (explained.result, explained.candidate) == (NO_CANDIDATE, first)
    found = [(d.field, d.value, d.candidate_value) for d in explained.differences]
    assert want is None or found == want
    assert len(found) == 1


def test_a_failed_task_is_no_candidate(runs: CallRuns) -> None:
    first = runs.begin()
    runs.report(first, executor_ended=assignment_pb.ExecutorEnded(exit_code=1))
    runs.finish(first, outcome=assignment_pb.OUTCOME_EXECUTOR_ERROR)

    assert not runs.begin().HasField("candidate")


NOT_REUSABLE = {
    "an image without a digest": ("digest", "", "which image executors[0] ran"),
    "an output without an identity": (
        "files",
        (
            FILES[0],
            pb.FileIdentity(
                direction=pb.DIRECTION_OUTPUTS, url="ftp://h/out", path="/out"
            ),
        ),
        "output /out (ftp://h/out) has no identity",
    ),
}


@pytest.mark.parametrize(
    ("name", "value", "want"), NOT_REUSABLE.values(), ids=NOT_REUSABLE
)
def test_what_cannot_be_proved_is_not_reused(
    runs: CallRuns, name: str, value: object, want: str
) -> None:
    setattr(runs, name, value)
    first = runs.run(runs.begin())

    second = runs.begin()

    assert not second.HasField("candidate")
    assert want in runs.explain(first).not_reusable
    explained = runs.explain(second.attempt.task_id)
    assert (explained.result, explained.candidate) == (NO_CANDIDATE, first)
    assert want in explained.explanation


NO_KEYS = {
    "a reference": (
        {"inputs": [task_pb2.Input(path="/ref", url="ref://g/x", type=FILE)]},
        "input ref://g/x is mounted reference data",
    ),
    "no outputs": ({"outputs": []}, "declares no outputs"),
}


@pytest.mark.parametrize(("fields", "want"), NO_KEYS.values(), ids=NO_KEYS)
def test_a_task_without_a_key_says_why(
    runs: CallRuns, fields: dict[str, Any], want: str
) -> None:
    began = runs.begin(**fields)

    explained = runs.explain(began.attempt.task_id)

    assert explained.result == NO_KEY
    assert want in explained.explanation


def test_nothing_of_a_lost_attempt_counts(runs: CallRuns) -> None:
    first = runs.begin()
    runs.transfer(first, pb.DIRECTION_INPUTS)
    runs.finish(first, outcome=assignment_pb.OUTCOME_LOST)
    runs.files = (
        pb.FileIdentity(
            direction=pb.DIRECTION_INPUTS, url="s3://b/in", path="/in", identity="new"
        ),
        FILES[1],
    )

    task_id = runs.run(runs.assigned())

    found = runs.running.store.identities(TaskId(task_id))
    assert found is not None
    assert [each.identity for each in found] == ["new", FILES[1].identity]
