"""The runtime of a cluster while a task takes its course: calls, output, stops."""

from fakes.taskmaster_kubernetes_kit import Programs, make_report
from programs.waiting import eventually
from taskmasters.attempts import ATTEMPT, NOTHING, SECOND, SOON, Rig
from tesk_kubernetes.api import PODS
from tesk_taskmaster.adapters.kubernetes.manifests.executor_job import STDERR_MARK


def test_a_trivial_task_costs_four_calls(rig: Rig) -> None:
    rig.prepare()
    before = rig.api.faults.calls.copy()
    for step in ("x0", "x1"):
        rig.cluster.finish(rig.run(step), report=make_report(0))
        rig.result(step)
        rig.runtime.tails(ATTEMPT, step)
    rig.runtime.release(ATTEMPT)

    spent = rig.api.faults.calls - before
    assert spent == {
        ("create", "jobs"): 2,
        ("logs", "pods"): 2,
        ("delete", "secrets"): 1,
    }
    assert before["create", "secrets"] == 1
    assert before["create", "persistentvolumeclaims"] == 0


def test_a_start_returns_when_the_container_runs(rig: Rig) -> None:
    rig.prepare()
    with rig.starting() as pod:
        assert rig.runtime.attempts() == [ATTEMPT]
        rig.cluster.start(pod)

    assert rig.runtime.wait(ATTEMPT, "x0", NOTHING) is None


def test_the_location_of_a_step_is_reported(rig: Rig) -> None:
    rig.prepare()
    pod = rig.run()
    rig.cluster.finish(pod, 3, report=make_report(3))

    result = rig.result()
    assert result.exit_code == 3
    assert result.metadata == {"pod": pod["metadata"]["name"], "node": "node-1"}


def test_output_of_a_stopped_executor_is_kept(rig: Rig) -> None:
    rig.prepare()
    pod = rig.run()
    text = f"out\n{STDERR_MARK}err\n".encode()
    rig.api.add_log("tasks", pod["metadata"]["name"], text)
    rig.runtime.stop(ATTEMPT, "x0", SECOND)

    assert rig.result().error == ""
    tails = rig.runtime.tails(ATTEMPT, "x0")
    assert (tails.stdout, tails.stderr) == (b"out\n", b"err\n")


def test_a_step_that_waits_for_a_node_can_be_stopped(rig: Rig) -> None:
    rig.let_pods(rig.cluster.unschedulable)
    rig.prepare()
    with rig.starting():
        rig.runtime.stop(ATTEMPT, "x0", SECOND)

    assert rig.result().error == ""
    assert rig.api.all(PODS) == []


def test_output_of_a_running_executor_is_shown(rig: Rig) -> None:
    rig.prepare()
    pod = rig.run()
    rig.runtime.tails(ATTEMPT, "x0")
    rig.api.add_log("tasks", pod["metadata"]["name"], b"so far\n")

    eventually(
        lambda: rig.runtime.tails(ATTEMPT, "x0").stdout == b"so far\n",
        what="the live output",
    )


def test_detaching_touches_nothing(rig: Rig) -> None:
    rig.prepare()
    rig.run()
    rig.runtime.detach(ATTEMPT)

    assert sorted(rig.left()) == ["Job", "Pod", "Secret"]
    rig.runtime.stop(ATTEMPT, "x0", SECOND)  # too late: it is another's
    assert sorted(rig.left()) == ["Job", "Pod", "Secret"]


def test_a_predecessor_is_watched_for_as_long_as_needed(rig: Rig) -> None:
    rig.prepare()
    pod = rig.run()
    rig.runtime.close()
    successor = rig.kit.open_runtime()
    successor.prepare(rig.plan, "token", rig.report_reason)
    successor.start(rig.plan, "x0", rig.report_reason)
    rig.cluster.finish(pod, report=make_report(5))
    result = successor.wait(ATTEMPT, "x0", SOON)

    assert result is not None
    assert result.exit_code == 5
    successor.release(ATTEMPT)
    assert rig.left() == []


def test_events_are_not_asked_for_while_all_goes_well(rig: Rig) -> None:
    Programs(rig.api, rig.cluster)
    rig.prepare()
    rig.start()
    rig.result()

    assert rig.api.faults.calls["list", "events"] == 0
