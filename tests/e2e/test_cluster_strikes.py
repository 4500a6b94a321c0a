"""Objects of a task killed or deleted by hand: it ends well, with one run's outputs."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from cluster.ahead import Ahead, chosen_names
from cluster.gated_storage import GatedStorage
from cluster.held_task import HeldTask, Phase, job_of
from cluster.kube import name_of
from cluster.release import NAME, Release
from programs.waiting import eventually
from scenarios.scenario import logs, shell, system_logs

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def tesk(tesk_of_faults: Release) -> Release:
    """Run the tests of this module in each layout."""
    return tesk_of_faults


Strike = Callable[[Release, HeldTask, str], None]


def kill_pod(release: Release, _task: HeldTask, pod: str) -> None:
    release.kube.delete("pods", release.namespace, pod, grace=0)


def delete_pod(release: Release, _task: HeldTask, pod: str) -> None:
    release.kube.delete("pods", release.namespace, pod)


def evict_pod(release: Release, _task: HeldTask, pod: str) -> None:
    release.kube.evict(release.namespace, pod)


def delete_job(release: Release, _task: HeldTask, pod: str) -> None:
    job = job_of(pod)
    assert release.kube.get("jobs", release.namespace, job) is not None
    release.kube.delete("jobs", release.namespace, job)


def delete_claim_and_pod(release: Release, task: HeldTask, pod: str) -> None:
    for claim in release.of_task("persistentvolumeclaims", task.task_id):
        release.kube.delete("persistentvolumeclaims", release.namespace, name_of(claim))
    release.kube.delete("pods", release.namespace, pod, grace=0)


@dataclass(frozen=True)
class Case:
    """What is done in which phase; whether the executor must run again.

    It always must if the steps share a pod: what is struck is all that there is.
    """

    phase: Phase
    strike: Strike
    again: bool


CASES = {
    "the filer's pod is killed while inputs arrive": Case("in", kill_pod, again=False),
    "the filer's pod is evicted while inputs arrive": Case(
        "in", evict_pod, again=False
    ),
    "the filer's Job is deleted while inputs arrive": Case(
        "in", delete_job, again=False
    ),
    "the executor's pod is killed": Case("x0", kill_pod, again=True),
    "the executor's pod is deleted gently": Case("x0", delete_pod, again=True),
    "the executor's pod is evicted": Case("x0", evict_pod, again=True),
    "the executor's Job is deleted": Case("x0", delete_job, again=True),
    "the volume and the executor's pod are deleted": Case(
        "x0", delete_claim_and_pod, again=True
    ),
    "the filer's pod is killed while outputs leave": Case("out", kill_pod, again=False),
    "the filer's Job is deleted while outputs leave": Case(
        "out", delete_job, again=False
    ),
}


@pytest.fixture(scope="module")
def held(
    request: pytest.FixtureRequest, tesk: Release, gated_storage: GatedStorage
) -> Ahead[HeldTask]:
    """One task for each case."""

    def submit(name: str) -> HeldTask:
        number = list(CASES).index(name)
        return HeldTask(
            tesk, gated_storage, f"strike-{number}", hold=[CASES[name].phase]
        )

    return Ahead(chosen_names(request), submit, ahead=3)


@pytest.mark.parametrize("name", CASES)
def test_strike(name: str, tesk: Release, held: Ahead[HeldTask]) -> None:
    case, task = CASES[name], held[name]
    pod = task.reach(case.phase)
    found = tesk.kube.get("pods", tesk.namespace, pod)
    assert found is not None

    again = case.again or tesk.has_one_pod

    case.strike(tesk, task, pod)
    if again:
        task.reach(case.phase, other_than=found["metadata"]["uid"])
    task.resume(case.phase)

    is_upload = tesk.has_one_pod and case.phase == "out"
    shown = task.check_completed(lost_uploads=1 if is_upload else 0)
    most = 2 if again else 1
    least = 1 if case.phase == "in" else most  # in a sequence it was not there yet
    assert least <= len(task.executor_starts()) <= most
    assert ("attempt 1" in system_logs(shown)) == again
    assert len(shown["logs"]) == 1


# Obeys SIGTERM, and ends as if it had done its work.
_OBEYS = (
    "trap 'exit 0' TERM; echo started; touch /vol/started; "
    "until [ -e /vol/go ]; do sleep 0.1; done; echo done"
)
_STARTED = "until [ -e /vol/started ]; do sleep 0.1; done"


def test_a_command_that_obeys_a_forced_deletion_has_not_succeeded(
    tesk: Release,
) -> None:
    body = {"volumes": ["/vol"], "executors": [shell(_OBEYS)]}
    tasks = [tesk.create(body) for _ in range(4)]
    struck: dict[str, str] = {}
    for task_id in tasks:
        pod = tesk.running_pod(task_id, "x0")
        tesk.execute(pod, "x0", "sh", "-c", _STARTED)
        found = tesk.kube.get("pods", tesk.namespace, pod)
        assert found is not None
        struck[task_id] = found["metadata"]["uid"]
        tesk.kube.delete("pods", tesk.namespace, pod, grace=0)
    for task_id, uid in struck.items():
        pod = tesk.running_pod(task_id, "x0", other_than=uid)
        tesk.execute(pod, "x0", "touch", "/vol/go")

    for task_id in tasks:
        task = tesk.finish(task_id)
        assert task["state"] == "COMPLETE", task
        assert logs(task)[0]["stdout"] == "started\ndone\n"
        assert "attempt 1 was lost: executors[0] lost: its pod" in system_logs(task)


def test_a_drain_takes_what_tesk_has_on_a_node(tesk: Release) -> None:
    task_id = tesk.create({"executors": [shell("sleep 600")]})
    pod = tesk.running_pod(task_id, "x0")
    found = tesk.kube.get("pods", tesk.namespace, pod)
    assert found is not None

    ours = f"app.kubernetes.io/instance={NAME},app.kubernetes.io/component"
    command = ["kubectl", "drain", found["spec"]["nodeName"], "--dry-run=server"]
    command += ["--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s"]
    for component in ("taskmaster", "pod" if tesk.has_one_pod else "executor"):
        selector = f"--pod-selector={ours}={component}"
        done = subprocess.run(
            [*command, selector], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert f"evicting pod {tesk.namespace}/" in done.stdout, done.stdout
    tesk.cancel(task_id)


def test_a_task_whose_pod_is_always_deleted_ends_with_the_reason(
    tesk: Release,
) -> None:
    task_id = tesk.create(
        {"executors": [shell("echo printed before the end; sleep 600")]}
    )
    uid = ""
    for _attempt in range(3):
        pod = tesk.running_pod(task_id, "x0", other_than=uid)
        found = tesk.kube.get("pods", tesk.namespace, pod)
        uid = found["metadata"]["uid"] if found else ""
        eventually(
            lambda: "before the end" in str(tesk.live(task_id)["executors"]),
            within=30,
            every=0.3,
            what="live output",
        )
        tesk.kube.delete("pods", tesk.namespace, pod)

    task = tesk.finish(task_id)

    assert task["state"] == "SYSTEM_ERROR"
    for attempt in ("attempt 1", "attempt 2"):
        assert attempt in system_logs(task)
    # What was printed until then is kept, though the pod is gone. Not in TES's own
    # view: an executor log without an exit code would break its schema.
    shown = tesk.live(task_id)["executors"]
    assert [entry["stdout"] for entry in shown] == ["printed before the end\n"]
    tesk.wait_until_clean(task_id)
