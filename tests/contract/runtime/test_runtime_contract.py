"""The contract of runtimes, which the fake of the use cases' tests keeps as well."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from builders.tasks import make_assigned_task, make_executor
from cluster.taskmasters import real_cluster
from fakes.kubernetes_api import FakeKubernetesApi
from fakes.kubernetes_cluster import FakeCluster
from fakes.taskmaster_cluster_runtimes import (
    IMAGE,
    ClusterRuntimes,
    Programs,
    one_pod,
)
from fakes.taskmaster_runtime import FakeRuntime, RuntimeState
from tesk_model.names import Attempt
from tesk_model.reasons import Reason
from tesk_model.task import Input, Output, TaskId
from tesk_taskmaster.adapters.local.filer_process import FilerProcesses, FilerSettings
from tesk_taskmaster.adapters.local.runtime import LocalRuntime
from tesk_taskmaster.adapters.sandbox.bubblewrap import SandboxUnavailableError
from tesk_taskmaster.adapters.sandbox.factory import open_sandbox_engine
from tesk_taskmaster.adapters.task_folders import TaskFolders
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.planning import plan_task
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.ports import Runtime, StepFailedError

ATTEMPT = Attempt(TaskId("r1"), 1)
OTHER = Attempt(TaskId("r1"), 2)
GENEROUS = timedelta(seconds=60)
GRACE = timedelta(seconds=1)


@dataclass(slots=True)
class Runtimes:
    """One runtime under test.

    Attributes:
        open_runtime: Opens it as a new taskmaster would.
        set_filers: Decides how the next filers end, one code each; None hangs.
        is_one_pod: All steps start with the first, and none is started again.
    """

    open_runtime: Callable[[], Runtime]
    set_filers: Callable[[list[int | None]], None]
    is_one_pod: bool = False


@contextmanager
def fake_runtimes(_folder: Path) -> Iterator[Runtimes]:
    state = RuntimeState()
    yield Runtimes(
        open_runtime=lambda: FakeRuntime(state), set_filers=state.filer_codes.extend
    )


# Each takes its code from the first line that is left in the file.
FILER = """
code=$(head -n 1 "$TESK_HOME/codes" 2>/dev/null)
sed -i 1d "$TESK_HOME/codes"
test "$code" = None && exec sleep 600
exit "${code:-0}"
"""


@contextmanager
def local_runtimes(folder: Path) -> Iterator[Runtimes]:
    folders = TaskFolders(folder.resolve())
    (folders.home / "codes").touch()
    filers = FilerSettings(
        environ={"PATH": os.environ["PATH"]}, command=("/bin/sh", "-c", FILER)
    )

    def open_runtime() -> Runtime:
        try:
            engine = open_sandbox_engine(folders, os.environ)
        except SandboxUnavailableError as error:
            pytest.skip(str(error))
        return LocalRuntime(folders, engine, FilerProcesses(folders, filers))

    def set_filers(codes: list[int | None]) -> None:
        (folders.home / "codes").write_text("".join(f"{code}\n" for code in codes))

    yield Runtimes(open_runtime=open_runtime, set_filers=set_filers)


@contextmanager
def kubernetes_fake_runtimes(_folder: Path, order: str = "") -> Iterator[Runtimes]:
    api = FakeKubernetesApi()
    programs = Programs(api, FakeCluster(api))
    fields = one_pod(order) if order else {}
    with closing(
        ClusterRuntimes(api=api, namespaces=["tasks", "more"], **fields)
    ) as cluster:
        programs.turns.succeeded = cluster.conclude
        yield Runtimes(
            open_runtime=cluster.open_runtime,
            set_filers=programs.filer_codes.extend,
            is_one_pod=bool(order),
        )


@contextmanager
def kubernetes_runtimes(_folder: Path, order: str = "") -> Iterator[Runtimes]:
    with real_cluster(**(one_pod(order) if order else {})) as cluster:
        yield Runtimes(
            open_runtime=cluster.open_runtime,
            set_filers=cluster.set_filers,
            is_one_pod=bool(order),
        )


KITS: dict[str, Callable[[Path], AbstractContextManager[Runtimes]]] = {
    "fake": fake_runtimes,
    "local": local_runtimes,
    "kubernetes-fake": kubernetes_fake_runtimes,
    "kubernetes-fake-together": partial(kubernetes_fake_runtimes, order="together"),
    "kubernetes-fake-sequence": partial(kubernetes_fake_runtimes, order="sequence"),
}
# The end-to-end tests run every scenario with all steps together.
CLUSTER_KITS = [
    pytest.param(kubernetes_runtimes, id="kubernetes", marks=pytest.mark.cluster),
    pytest.param(
        partial(kubernetes_runtimes, order="together"),
        id="kubernetes-together",
        marks=[pytest.mark.cluster, pytest.mark.long],
    ),
    pytest.param(
        partial(kubernetes_runtimes, order="sequence"),
        id="kubernetes-sequence",
        marks=pytest.mark.cluster,
    ),
]


@pytest.fixture(
    params=[
        *(pytest.param(make, id=name) for name, make in KITS.items()),
        *CLUSTER_KITS,
    ]
)
def runtimes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runtimes]:
    with request.param(tmp_path) as made:
        yield made


@pytest.fixture
def runtime(runtimes: Runtimes) -> Iterator[Runtime]:
    made = runtimes.open_runtime()
    yield made
    made.release(ATTEMPT)


def make_plan(*commands: str) -> Plan:
    task = make_assigned_task(
        executors=tuple(
            make_executor(image=IMAGE, command=tuple(c.split())) for c in commands
        ),
        inputs=(Input(path="/w/a", url="s3://b/a"),),
        outputs=(Output(path="/w/b", url="s3://b/b"),),
    )
    return plan_task(task, ATTEMPT)


def report_reason(_reason: Reason) -> None:
    """Nobody listens."""


def prepared(runtime: Runtime, *commands: str) -> Plan:
    plan = make_plan(*commands)
    runtime.prepare(plan, "token", report_reason)
    return plan


def finish(runtime: Runtime, step: str) -> StepResult:
    result = runtime.wait(ATTEMPT, step, GENEROUS)
    assert result is not None
    return result


def test_a_step_runs_and_tells_its_exit_code(runtime: Runtime) -> None:
    plan = prepared(runtime, "true", "false")
    for step, code in (("x0", 0), ("x1", 1)):
        runtime.start(plan, step, report_reason)
        assert finish(runtime, step).exit_code == code


def test_output_can_be_read_after_the_end(runtime: Runtime) -> None:
    plan = prepared(runtime, "echo hello")
    runtime.start(plan, "x0", report_reason)
    finish(runtime, "x0")

    assert runtime.tails(ATTEMPT, "x0").stdout == b"hello\n"


def test_a_wait_is_bounded(runtime: Runtime) -> None:
    plan = prepared(runtime, "sleep 600")
    runtime.start(plan, "x0", report_reason)

    assert runtime.wait(ATTEMPT, "x0", timedelta(milliseconds=10)) is None


def test_a_stopped_step_has_a_result(runtime: Runtime) -> None:
    plan = prepared(runtime, "sleep 600")
    runtime.start(plan, "x0", report_reason)
    runtime.stop(ATTEMPT, "x0", GRACE)

    assert finish(runtime, "x0").exit_code in (137, 143)


def test_stopping_what_never_started_does_nothing(runtime: Runtime) -> None:
    prepared(runtime, "true")
    runtime.stop(ATTEMPT, "x0", GRACE)
    runtime.stop(ATTEMPT, "in", GRACE)


@pytest.mark.parametrize("code", [0, 65, 75])
def test_a_filers_verdict_is_kept(
    runtime: Runtime, runtimes: Runtimes, code: int
) -> None:
    runtimes.set_filers([code, 99])
    plan = prepared(runtime, "true")
    for _ in range(2):
        runtime.start(plan, "in", report_reason)
        assert finish(runtime, "in").exit_code == code


def test_a_filer_without_verdict_is_started_again(
    runtime: Runtime, runtimes: Runtimes
) -> None:
    if runtimes.is_one_pod:
        pytest.skip("its launcher does that")
    runtimes.set_filers([1, 0])
    plan = prepared(runtime, "true")
    codes = []
    for _ in range(2):
        runtime.start(plan, "out", report_reason)
        codes.append(finish(runtime, "out").exit_code)

    assert codes == [1, 0]


def test_a_check_is_a_step_by_itself_which_a_successor_adopts(
    runtimes: Runtimes,
) -> None:
    runtimes.set_filers([65])
    first = runtimes.open_runtime()
    plan = prepared(first, "true")
    first.start(plan, "check", report_reason)
    found = finish(first, "check").exit_code
    first.detach(ATTEMPT)
    runtimes.set_filers([0])

    successor = runtimes.open_runtime()
    successor.prepare(plan, "token", report_reason)
    there = list(successor.existing_steps(ATTEMPT, report_reason))
    successor.start(plan, "check", report_reason)
    again = finish(successor, "check").exit_code
    fitted = successor.needs_fitted_plan(ATTEMPT)
    successor.start(plan, "x0", report_reason)
    ran = finish(successor, "x0").exit_code
    successor.release(ATTEMPT)

    assert (found, there, again, ran) == (65, ["check"], 65, 0)
    assert fitted == runtimes.is_one_pod  # no other step has begun


def test_an_image_is_the_same_before_it_runs_and_after(runtime: Runtime) -> None:
    plan = prepared(runtime, "true")

    before = runtime.image_digest(plan, 0, ["/w"], report_reason)
    again = runtime.image_digest(plan, 0, [], report_reason)
    runtime.start(plan, "x0", report_reason)

    assert before == again == finish(runtime, "x0").image_digest


def test_a_later_try_of_outputs_is_a_step_of_its_own(runtimes: Runtimes) -> None:
    if runtimes.is_one_pod:
        pytest.skip("the filer itself does that")
    runtimes.set_filers([75, 0])
    first = runtimes.open_runtime()
    plan = prepared(first, "true")
    codes = []
    for step in ("out", "out-1"):
        first.start(plan, step, report_reason)
        codes.append(finish(first, step).exit_code)
    first.detach(ATTEMPT)

    successor = runtimes.open_runtime()
    successor.prepare(plan, "token", report_reason)

    assert codes == [75, 0]
    assert list(successor.existing_steps(ATTEMPT, report_reason)) == ["out", "out-1"]
    successor.start(plan, "out-1", report_reason)
    assert finish(successor, "out-1").exit_code == 0
    successor.release(ATTEMPT)


def test_a_filer_can_be_stopped(runtime: Runtime, runtimes: Runtimes) -> None:
    runtimes.set_filers([None])
    plan = prepared(runtime, "true")
    runtime.start(plan, "in", report_reason)
    runtime.stop(ATTEMPT, "in", GRACE)

    assert finish(runtime, "in").exit_code in (137, 143)


def test_a_successor_adopts_what_runs(runtimes: Runtimes) -> None:
    first = runtimes.open_runtime()
    plan = prepared(first, "sleep 600")
    first.start(plan, "x0", report_reason)
    first.detach(ATTEMPT)

    successor = runtimes.open_runtime()
    assert successor.has_objects(ATTEMPT, report_reason)
    assert not successor.has_objects(OTHER, report_reason)
    successor.prepare(plan, "token", report_reason)
    successor.start(plan, "x0", report_reason, has_started=True)
    assert successor.wait(ATTEMPT, "x0", timedelta(milliseconds=10)) is None
    successor.stop(ATTEMPT, "x0", GRACE)
    assert finish(successor, "x0").exit_code in (137, 143)
    successor.release(ATTEMPT)


def test_a_started_executor_without_traces_is_lost(runtime: Runtime) -> None:
    plan = prepared(runtime, "true")

    with pytest.raises(StepFailedError, match="lost: ") as failure:
        runtime.start(plan, "x0", report_reason, has_started=True)

    assert failure.value.lost


def test_a_successor_learns_how_a_filer_ended(runtimes: Runtimes) -> None:
    runtimes.set_filers([65])
    first = runtimes.open_runtime()
    plan = prepared(first, "true")
    first.start(plan, "in", report_reason)
    finish(first, "in")
    first.detach(ATTEMPT)

    successor = runtimes.open_runtime()
    successor.prepare(plan, "token", report_reason)
    successor.start(plan, "in", report_reason)
    assert finish(successor, "in").exit_code == 65
    successor.release(ATTEMPT)


def test_release_leaves_nothing_of_what_runs(runtimes: Runtimes) -> None:
    runtimes.set_filers([None])
    first = runtimes.open_runtime()
    plan = prepared(first, "sleep 600")
    for step in ("in",) if runtimes.is_one_pod else ("in", "x0"):
        first.start(plan, step, report_reason)
    first.detach(ATTEMPT)

    successor = runtimes.open_runtime()  # knows the attempt by its name alone
    successor.release(ATTEMPT)

    assert not successor.has_objects(ATTEMPT, report_reason)


def test_releasing_nothing_is_no_error(runtime: Runtime) -> None:
    runtime.release(ATTEMPT)
