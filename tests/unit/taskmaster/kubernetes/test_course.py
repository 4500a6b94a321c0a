"""The runtime of a cluster while a task runs: calls, output, stops."""

from fakes.taskmaster_cluster_runtimes import Programs
from fakes.taskmaster_reports import make_report
from programs.waiting import eventually
from taskmasters.attempts import ATTEMPT, NOTHING, SECOND, SOON, ClusterHarness
from tesk_kubernetes.api import PODS
from tesk_taskmaster.adapters.kubernetes.manifests.log_marks import STDERR_MARK
from tesk_taskmaster.ports import Tails


def test_a_trivial_task_costs_four_calls(harness: ClusterHarness) -> None:
    harness.prepare()
    before = harness.api.faults.calls.copy()
    for step in ("x0", "x1"):
        harness.cluster.finish(harness.run(step), report=make_report(0))
        harness.result(step)
        harness.runtime.tails(ATTEMPT, step)
    harness.runtime.release(ATTEMPT)

    spent = harness.api.faults.calls - before
    assert spent == {
        ("create", "jobs"): 2,
        ("logs", "pods"): 2,
        ("delete", "secrets"): 1,
    }
    assert before["create", "secrets"] == 1
    assert before["create", "persistentvolumeclaims"] == 0


def test_a_start_returns_when_the_container_runs(harness: ClusterHarness) -> None:
    harness.prepare()
    with harness.starting() as pod:
        assert harness.runtime.has_objects(ATTEMPT, harness.report_reason)
        harness.cluster.start(pod)

    assert harness.runtime.wait(ATTEMPT, "x0", NOTHING) is None


def test_the_location_of_a_step_is_reported(harness: ClusterHarness) -> None:
    harness.prepare()
    pod = harness.run()
    harness.cluster.finish(pod, 3, report=make_report(3))

    result = harness.result()
    assert result.exit_code == 3
    assert result.metadata == {"pod": pod["metadata"]["name"], "node": "node-1"}


def test_output_of_a_stopped_executor_is_kept(harness: ClusterHarness) -> None:
    harness.prepare()
    pod = harness.run()
    text = f"out\n{STDERR_MARK}err\n".encode()
    harness.api.add_log("tasks", pod["metadata"]["name"], text)
    harness.runtime.stop(ATTEMPT, "x0", SECOND)

    assert harness.result().error == ""
    tails = harness.runtime.tails(ATTEMPT, "x0")
    assert (tails.stdout, tails.stderr) == (b"out\n", b"err\n")


def test_a_stream_that_the_launcher_counted_is_waited_for(
    harness: ClusterHarness,
) -> None:
    harness.prepare()
    pod = harness.run()
    name = pod["metadata"]["name"]
    harness.api.add_log("tasks", name, b"out\n")
    late = f"{STDERR_MARK}err\n".encode()
    harness.api.add_log_late("tasks", name, late, after_reads=1)
    report = make_report(0, stdout_logged=4, stderr_logged=4)
    harness.cluster.finish(pod, report=report)

    assert harness.result().exit_code == 0
    assert harness.runtime.tails(ATTEMPT, "x0") == Tails(b"out\n", b"err\n")


def test_a_step_that_waits_for_a_node_can_be_stopped(harness: ClusterHarness) -> None:
    harness.let_pods(harness.cluster.unschedulable)
    harness.prepare()

    def stopped() -> bool:
        harness.runtime.stop(ATTEMPT, "x0", SECOND)  # once it is known
        return harness.api.all(PODS) == []

    with harness.starting():
        eventually(stopped, what="the end of its pod")

    assert harness.result().error == ""


def test_output_of_a_running_executor_is_shown(harness: ClusterHarness) -> None:
    harness.prepare()
    pod = harness.run()
    harness.runtime.tails(ATTEMPT, "x0")
    harness.api.add_log("tasks", pod["metadata"]["name"], b"so far\n")

    eventually(
        lambda: harness.runtime.tails(ATTEMPT, "x0").stdout == b"so far\n",
        what="the live output",
    )


def test_the_log_of_an_executor_is_kept_until_the_next_one_starts(
    harness: ClusterHarness,
) -> None:
    harness.prepare()
    pod = harness.run("x0")
    harness.runtime.tails(ATTEMPT, "x0")
    harness.api.add_log("tasks", pod["metadata"]["name"], b"out\n")
    harness.cluster.finish(pod, report=make_report(0, stdout_logged=4))
    harness.result("x0")
    calls = harness.api.faults.calls

    assert harness.runtime.tails(ATTEMPT, "x0") == Tails(b"out\n", b"")
    read = calls["logs", "pods"]
    assert harness.runtime.tails(ATTEMPT, "x0") == Tails(b"out\n", b"")
    assert calls["logs", "pods"] == read

    harness.run("x1")
    assert harness.runtime.tails(ATTEMPT, "x0") == Tails(b"out\n", b"")
    assert calls["logs", "pods"] == read + 1


def test_the_log_of_an_executor_that_runs_outlives_the_start_of_another_step(
    harness: ClusterHarness,
) -> None:
    harness.prepare()
    pod = harness.run("x0")
    harness.runtime.tails(ATTEMPT, "x0")
    harness.api.add_log("tasks", pod["metadata"]["name"], b"out\n")
    eventually(lambda: harness.runtime.tails(ATTEMPT, "x0").stdout == b"out\n")
    read = harness.api.faults.calls["logs", "pods"]

    harness.run("x1")
    assert harness.runtime.tails(ATTEMPT, "x0").stdout == b"out\n"
    assert harness.api.faults.calls["logs", "pods"] == read


def test_detaching_touches_nothing(harness: ClusterHarness) -> None:
    harness.prepare()
    harness.run()
    harness.runtime.detach(ATTEMPT)

    assert sorted(harness.left()) == ["Job", "Pod", "Secret"]
    harness.runtime.stop(ATTEMPT, "x0", SECOND)  # too late: it is another's
    assert sorted(harness.left()) == ["Job", "Pod", "Secret"]


def test_a_predecessor_is_watched_for_as_long_as_needed(
    harness: ClusterHarness,
) -> None:
    harness.prepare()
    pod = harness.run()
    harness.runtime.close()
    successor = harness.runtimes.open_runtime()
    successor.prepare(harness.plan, "token", harness.report_reason)
    successor.start(harness.plan, "x0", harness.report_reason)
    harness.cluster.finish(pod, report=make_report(5))
    result = successor.wait(ATTEMPT, "x0", SOON)

    assert result is not None
    assert result.exit_code == 5
    successor.release(ATTEMPT)
    assert harness.left() == []


def test_events_are_not_asked_for_while_all_goes_well(harness: ClusterHarness) -> None:
    Programs(harness.api, harness.cluster)
    harness.prepare()
    harness.start()
    harness.result()

    assert harness.api.faults.calls["list", "events"] == 0
