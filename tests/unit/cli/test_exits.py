import pytest

from tesk_cli.domain.exits import EXIT_CODES, MEANINGS, ExitCode, exit_code_of
from tesk_cli.domain.snapshot import ExecutorSnapshot, Snapshot
from tesk_model.errors import ErrorKind
from tesk_model.states import TaskState

CASES = {
    "a complete task": (TaskState.COMPLETE, (0,), 0),
    "a complete task whose failure was ignored": (TaskState.COMPLETE, (7,), 0),
    "the code of the executor that failed": (TaskState.EXECUTOR_ERROR, (0, 42), 42),
    "a failure without a code": (TaskState.EXECUTOR_ERROR, (), 1),
    "a failure of the system": (TaskState.SYSTEM_ERROR, (0,), 1),
    "a canceled task": (TaskState.CANCELED, (143,), 1),
}


@pytest.mark.parametrize(("state", "codes", "want"), CASES.values(), ids=list(CASES))
def test_run_ends_as_the_task_did(
    state: TaskState, codes: tuple[int, ...], want: int
) -> None:
    executors = tuple(
        ExecutorSnapshot(index=index, exit_code=code)
        for index, code in enumerate(codes)
    )

    assert exit_code_of(Snapshot(id="t", state=state, executors=executors)) == want


def test_every_error_has_an_exit_code_and_every_code_a_meaning() -> None:
    assert set(EXIT_CODES) == set(ErrorKind)
    assert set(MEANINGS) == set(ExitCode)
