"""Every way in which a step of a cluster can be held up or end, judged.

The records are what a cluster (1.34) said; what one node cannot produce is made
from them.
"""

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes.taskmaster_kubernetes_kit import make_report
from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.settings import KubernetesSettings
from tesk_taskmaster.adapters.kubernetes.failure_table import judge_trouble
from tesk_taskmaster.adapters.kubernetes.observations import (
    Ended,
    Failed,
    Judgement,
    Running,
    Seen,
    Subject,
    Troubled,
    Waiting,
)
from tesk_taskmaster.adapters.kubernetes.pod_status import observe

RECORDS = Path(__file__).parents[2] / "records" / "pods"
# When the records begin.
BEGUN = datetime(2026, 11, 22, 19, 18, 46, tzinfo=UTC)
RAM = 64 * 1024**2
EXECUTOR = Subject(name="executors[1]", image="registry.example/x:1", ram=RAM)
FILER = Subject(name="the transfer of inputs", image="tesk-filer:1")
SETTINGS = KubernetesSettings()
Edit = Callable[[JsonObject], None]


def seen(record: str, *edits: Edit, **overrides: Any) -> Seen:
    """Return a record as the book would have it; edits change its pod."""
    found = json.loads((RECORDS / f"{record}.json").read_text("utf-8"))
    for edit in edits:
        edit(found["pod"])
    fields = {"subject": EXECUTOR} | found | overrides
    return Seen(**fields)


def judge(what: Seen, after: float, settings: KubernetesSettings) -> Judgement:
    """Judge what has been so for ``after`` seconds."""
    observed = observe(what)
    if not isinstance(observed, Troubled):
        return observed
    return judge_trouble(
        observed,
        what.subject,
        since=observed.since or BEGUN,
        now=BEGUN + timedelta(seconds=after),
        settings=settings,
    )


def main_state(pod: JsonObject) -> JsonObject:
    state: JsonObject = pod["status"]["containerStatuses"][0]["state"]
    return state


def says(message: str) -> Edit:
    """Let the container leave a termination message."""
    return lambda pod: main_state(pod)["terminated"].update(message=message)


def ends(**terminated: Any) -> Edit:
    """Let the container have ended like this."""

    def edit(pod: JsonObject) -> None:
        state = main_state(pod)
        ended = {"exitCode": 137, "reason": "Error"} | terminated
        state.clear()
        state["terminated"] = ended
        pod["status"]["phase"] = "Failed"

    return edit


def waits(reason: str, message: str = "") -> Edit:
    def edit(pod: JsonObject) -> None:
        state = main_state(pod)
        state.clear()
        state["waiting"] = {"reason": reason, "message": message}
        pod["status"]["phase"] = "Pending"

    return edit


def condition(kind: str, **fields: str) -> Edit:
    made = {"type": kind, "status": "True"} | fields
    return lambda pod: pod["status"]["conditions"].append(made)


def leaving(pod: JsonObject) -> None:
    pod["metadata"]["deletionTimestamp"] = "2026-11-22T19:18:46Z"


def status(**fields: str) -> Edit:
    return lambda pod: pod["status"].update(fields)


def init_container(state: JsonObject) -> Edit:
    made = {"name": "proxy", "image": "side:1", "state": state}
    return lambda pod: pod["status"].update(initContainerStatuses=[made])


def without_containers(pod: JsonObject) -> None:
    del pod["status"]["containerStatuses"]


def happened(reason: str, message: str = "", at: str = "2026-11-22T19:20:00Z") -> Any:
    return {
        "metadata": {"name": "e"},
        "reason": reason,
        "message": message,
        "lastTimestamp": at,
    }


def job_condition(kind: str, message: str) -> JsonObject:
    made = {"type": kind, "status": "True", "message": message}
    before = {"type": "FailureTarget", "status": "True", "message": message}
    return {
        "metadata": {
            "name": "j",
            "uid": "u",
            "creationTimestamp": "2026-11-22T19:18:46Z",
        },
        "status": {"conditions": [before, made]},
    }


CLAIM = {"metadata": {"name": "v"}, "status": {"phase": "Pending"}}
GONE = {"job": None}

# What the user reads while there is hope. Input, seconds, and words.
WAITING: dict[str, tuple[Seen, float, str]] = {
    "an image that is not there": (
        seen("image-not-found"),
        89,
        (
            "executors[1]: image registry.example/x:1 cannot be pulled (given up after "
            '90 s): failed to pull and unpack image "registry.example/x:1": failed to '
            'resolve reference "registry.example/x:1": registry.example/x:1: not found'
        ),
    ),
    "a registry that is overloaded": (
        seen(
            "image-not-found",
            waits("ErrImagePull", "rpc error: code = Unknown desc = toomanyrequests"),
        ),
        899,
        "cannot be pulled (given up after 15 min): toomanyrequests",
    ),
    "a pull that backs off says the same as one that fails": (
        seen(
            "image-not-found",
            waits(
                "ImagePullBackOff",
                'Back-off pulling image "x": ErrImagePull: rpc error: code = Unknown '
                "desc = toomanyrequests",
            ),
        ),
        899,
        "cannot be pulled (given up after 15 min): toomanyrequests",
    ),
    "a pull that backs off without a word: the event has it": (
        seen("image-not-found", waits("ImagePullBackOff")),
        10,
        "x:1: not found",
    ),
    "a large image": (
        seen(
            "runs", waits("ContainerCreating"), events=[happened("Pulling", "Pulling")]
        ),
        3600,
        "executors[1]: pulling image registry.example/x:1",
    ),
    "no node for it, without a limit": (
        seen("unschedulable"),
        10**6,
        (
            "executors[1]: no node can take it: 0/1 nodes are available: 1 node(s) didn't "
            "match Pod's node affinity/selector."
        ),
    ),
    "no StorageClass": (
        seen("no-storage-class", claim=CLAIM),
        599,
        'waiting for its volume: storageclass.storage.k8s.io "nosuchclass" not found',
    ),
    "no claim": (seen("no-claim"), 599, "waiting for its volume: 0/1 nodes are avail"),
    "a mount that fails": (
        seen("no-mount"),
        599,
        (
            "executors[1]: a volume cannot be mounted (given up after 10 min): "
            'MountVolume.SetUp failed for volume "c" : configmap "nope" not found'
        ),
    ),
    "a configuration that is missing": (
        seen("no-configuration"),
        59,
        (
            "the container of registry.example/x:1 cannot be started (given up after "
            '60 s): configmap "nope" not found'
        ),
    ),
    "a quota of pods": (
        seen("quota-of-pods"),
        3599,
        (
            "executors[1]: a quota of the cluster has no room (given up after 60 min): "
            "exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0"
        ),
    ),
    "a refusal by admission": (
        seen("refused-by-admission"),
        59,
        "the cluster refuses to run it (given up after 60 s): violates PodSecurity",
    ),
    "a node that has just got it": (
        seen("runs", waits("ContainerCreating"), events=()),
        299,
        "executors[1]: starting on its node: node node-1",
    ),
    "a sandbox that cannot be made": (
        seen(
            "runs",
            waits("ContainerCreating"),
            events=[happened("FailedCreatePodSandBox", "no network")],
        ),
        299,
        "starting on its node: no network",
    ),
    "a pod that is asked to end": (
        seen("runs", leaving),
        119,
        "executors[1]: waiting for its pod to end: node node-1",
    ),
    "a Job without a pod yet": (
        seen("runs", pod=None, events=()),
        5,
        "executors[1]: waiting for its pod",
    ),
    "a Job that is over, whose pod is on its way to us": (
        seen("ended-with-3", pod=None),
        5,
        "executors[1]: waiting for its pod",
    ),
    "a pod that nobody has looked at": (
        seen("unschedulable", status(conditions=[])),  # type: ignore[arg-type] # a list
        5,
        "executors[1]: waiting for a node",
    ),
    "an image of another container of the template": (
        seen(
            "runs",
            waits("PodInitializing"),
            init_container({"waiting": {"reason": "ErrImagePull", "message": "slow"}}),
        ),
        5,
        "image side:1 cannot be pulled (given up after 15 min): slow",
    ),
}


@pytest.mark.parametrize(("what", "after", "words"), WAITING.values(), ids=WAITING)
def test_what_may_pass_is_told_and_waited_for(
    what: Seen, after: float, words: str
) -> None:
    judged = judge(what, after, SETTINGS)

    assert isinstance(judged, Waiting)
    assert words in judged.reason
    assert judged.reason.startswith("executors[1]: ")


# The same after its limit, and what needs none. Input, seconds, lost, words.
FAILED: dict[str, tuple[Seen, float, bool, str]] = {
    "an image that is not there": (
        seen("image-not-found"),
        90,
        False,
        "executors[1]: image registry.example/x:1 cannot be pulled, for 90 s: failed",
    ),
    "an image that may not be read": (
        seen("image-not-found", waits("ErrImagePull", "401 Unauthorized")),
        90,
        False,
        "cannot be pulled, for 90 s: 401 Unauthorized",
    ),
    "an image that must be there already": (
        seen("image-not-found", waits("ErrImageNeverPull", "never")),
        90,
        False,
        "cannot be pulled, for 90 s: never",
    ),
    "a registry that is overloaded": (
        seen("image-not-found", waits("ErrImagePull", "toomanyrequests")),
        900,
        False,
        "cannot be pulled, for 15 min: toomanyrequests",
    ),
    "an image name that is none": (
        seen("invalid-image-name"),
        0,
        False,
        "executors[1]: registry.example/x:1 is no valid image name: Failed to apply",
    ),
    "a configuration that is missing": (
        seen("no-configuration"),
        60,
        False,
        'cannot be started, for 60 s: configmap "nope" not found',
    ),
    "a command that the runtime cannot start": (
        seen("not-startable"),
        0,
        False,
        (
            "executors[1]: the container of registry.example/x:1 cannot be started: failed "
            "to create containerd task"
        ),
    ),
    "no StorageClass": (
        seen("no-storage-class", claim=CLAIM),
        600,
        False,
        "its volume cannot be provided, for 10 min: storageclass",
    ),
    "a mount that fails": (
        seen("no-mount"),
        600,
        True,
        "a volume cannot be mounted, for 10 min: MountVolume",
    ),
    "a quota of pods": (
        seen("quota-of-pods"),
        3600,
        False,
        "a quota of the cluster has no room, for 60 min: exceeded quota: q",
    ),
    "a refusal by admission": (
        seen("refused-by-admission"),
        60,
        False,
        "the cluster refuses to run it, for 60 s: violates PodSecurity",
    ),
    "a node that does nothing": (
        seen("runs", waits("ContainerCreating"), events=()),
        300,
        True,
        "its node does not start it, for 5 min: node node-1",
    ),
    "a node that is silent": (
        seen("runs", leaving, status(reason="NodeLost")),
        120,
        True,
        "its pod is to end and its node does not answer, for 2 min: node node-1",
    ),
    "a node that refuses it": (
        seen("refused-by-node"),
        0,
        True,
        (
            "executors[1] lost: its node refused or ended its pod (OutOfcpu): Pod was "
            "rejected: Node didn't have enough resource: cpu"
        ),
    ),
    "an eviction": (
        seen("evicted"),
        0,
        True,
        (
            "executors[1] lost: its pod was evicted, as when its node is drained: Eviction "
            "API: evicting"
        ),
    ),
    "an eviction whose program ended well when asked": (
        seen("evicted", says(make_report(0, terminated=True))),
        0,
        True,
        "executors[1] lost: its pod was evicted",
    ),
    "a preemption": (
        seen(
            "runs",
            condition("DisruptionTarget", reason="PreemptionByScheduler"),
            ends(exitCode=143),
        ),
        0,
        True,
        "executors[1] lost: its pod was preempted by one of higher priority",
    ),
    "a node that is low on resources": (
        seen(
            "runs",
            without_containers,
            condition("DisruptionTarget", reason="TerminationByKubelet"),
            status(phase="Failed", reason="Evicted", message="low on: memory"),
        ),
        0,
        True,
        "executors[1] lost: its node ended its pod: low on: memory",
    ),
    "a node that was switched off": (
        seen(
            "runs",
            ends(exitCode=143),
            status(reason="Terminated", message="Pod was terminated: node shutdown"),
        ),
        0,
        True,
        "executors[1] lost: its node refused or ended its pod (Terminated): Pod was",
    ),
    "a pod that was deleted": (
        seen("deleted"),
        0,
        True,
        "executors[1] lost: its pod was deleted",
    ),
    "a pod that was deleted, its program obeying": (
        seen("deleted", says(make_report(143, signal=15, terminated=True))),
        0,
        True,
        "executors[1] lost: its pod was deleted",
    ),
    "a pod that is gone": (
        seen("runs", pod_is_gone=True),
        0,
        True,
        "executors[1] lost: its pod was deleted",
    ),
    "a pod that had no node and is deleted": (
        seen("unschedulable", leaving),
        0,
        True,
        "executors[1] lost: its pod was deleted",
    ),
    "a Job that was deleted": (
        seen("job-deleted", **GONE),
        0,
        True,
        "executors[1] lost: its Job was deleted",
    ),
    "a Job that was deleted before it had a pod": (
        seen("runs", pod=None, **GONE),
        0,
        True,
        "executors[1] lost: its Job was deleted",
    ),
    "a container that its node forgot": (
        seen("runs", ends(reason="ContainerStatusUnknown")),
        0,
        True,
        "executors[1] lost: its node lost sight of its container",
    ),
    "a container that ended with its node": (
        seen("runs", ends(exitCode=255, reason="Unknown")),
        0,
        True,
        "executors[1] lost: its node lost sight of its container",
    ),
    "a container that somebody on the node stopped": (
        seen("runs", ends(exitCode=143), says(make_report(143, terminated=True))),
        0,
        True,
        "executors[1] lost: its container was stopped from outside",
    ),
    "a pod that is gone, by a Job that only says so": (
        seen(
            "runs",
            pod=None,
            has_no_pod=True,
            job=job_condition("Failed", "Job has reached the specified backoff limit"),
        ),
        0,
        True,
        "executors[1] lost: its pod is gone, and its Job says: Job has reached",
    ),
    "another container of the template fails": (
        seen(
            "runs",
            without_containers,
            status(phase="Failed"),
            init_container({"terminated": {"exitCode": 2, "message": "no proxy"}}),
        ),
        0,
        False,
        "executors[1]: container proxy of its pod ended with exit code 2: no proxy",
    ),
    "a filer that is evicted": (
        seen("evicted", subject=FILER),
        0,
        True,
        "the transfer of inputs lost: its pod was evicted",
    ),
}


@pytest.mark.parametrize(
    ("what", "after", "lost", "words"), FAILED.values(), ids=FAILED
)
def test_what_does_not_pass_fails_with_a_reason(
    what: Seen, after: float, lost: bool, words: str
) -> None:
    judged = judge(what, after, SETTINGS)

    assert isinstance(judged, Failed)
    assert (words in judged.message, judged.lost) == (True, lost), judged.message


def test_a_wait_for_a_node_can_be_limited() -> None:
    limited = KubernetesSettings(schedule_timeout=timedelta(minutes=10))
    what = seen("unschedulable")

    assert isinstance(judge(what, 599, limited), Waiting)
    judged = judge(what, 601, limited)
    assert isinstance(judged, Failed)
    assert "no node can take it, for 10 min: 0/1 nodes" in judged.message


OUT = "executors[1]: ran out of memory: limit 64 MiB"
# What has a result. Input, exit code, note.
ENDED: dict[str, tuple[Seen, int, str]] = {
    "success": (seen("ended"), 0, ""),
    "the program's own code": (seen("ended-with-3"), 3, ""),
    "the launcher's report": (seen("ended-with-3", says(make_report(4))), 4, ""),
    "the launcher's complaint": (
        seen("ended-with-3", says(make_report(127, error="NAME: not found"))),
        127,
        "executors[1]: NAME: not found",
    ),
    "no memory left, the launcher killed too": (seen("out-of-memory"), 137, OUT),
    "no memory left for the program": (
        seen("out-of-memory", says(make_report(137, signal=9))),
        137,
        OUT,
    ),
    "no memory left, by the size alone": (
        seen("runs", ends(), says(make_report(137, signal=9, max_rss_bytes=RAM))),
        137,
        OUT,
    ),
    "no memory left for a part, which the program survived": (
        seen("out-of-memory", says(make_report(0))),
        0,
        "",
    ),
    "killed, nobody says why": (
        seen("runs", ends()),
        137,
        "executors[1]: was killed, probably because it ran out of memory: limit 64 MiB",
    ),
    "killed by itself": (
        seen("runs", ends(), says(make_report(137, signal=9))),
        137,
        "",
    ),
    "evicted just after its end": (seen("evicted", says(make_report(0))), 0, ""),
    "stopped by us": (
        seen(
            "deleted",
            says(make_report(143, signal=15, terminated=True)),
            was_stopped=True,
        ),
        143,
        "",
    ),
    "stopped by us, killed in the end": (seen("deleted", was_stopped=True), 137, ""),
    "stopped by us, its pod gone": (
        seen("runs", pod_is_gone=True, was_stopped=True),
        137,
        "",
    ),
    "stopped by us before it had a pod": (
        seen("runs", pod=None, was_stopped=True, **GONE),
        143,
        "",
    ),
    "a pod that is gone, by what its Job says": (
        seen(
            "runs",
            pod=None,
            has_no_pod=True,
            job=job_condition(
                "Failed",
                "Container main for pod tasks/x failed with exit code 42 matching "
                "FailJob rule at index 1",
            ),
        ),
        42,
        "",
    ),
    "a pod that is gone, by a Job that is complete": (
        seen("runs", pod=None, has_no_pod=True, job=job_condition("Complete", "")),
        0,
        "",
    ),
    "a filer's verdict": (seen("ended", ends(exitCode=65), subject=FILER), 65, ""),
    "a filer's verdict, evicted thereafter": (
        seen("evicted", ends(exitCode=75), subject=FILER),
        75,
        "",
    ),
    "a filer that had too little memory": (
        seen("out-of-memory", subject=FILER),
        137,
        "",
    ),
}


@pytest.mark.parametrize(("what", "code", "note"), ENDED.values(), ids=ENDED)
def test_what_ended_has_a_result(what: Seen, code: int, note: str) -> None:
    judged = observe(what)

    assert isinstance(judged, Ended), judged
    assert (judged.result.exit_code, judged.result.note) == (code, note)
    assert not judged.result.error


def test_times_and_places_come_with_the_result() -> None:
    judged = observe(seen("ended-with-3"))

    assert isinstance(judged, Ended)
    assert judged.result.started_at == datetime(2026, 11, 22, 19, 18, 47, tzinfo=UTC)
    assert judged.result.metadata == {"pod": "fails-h5crh", "node": "node-1"}


def test_a_running_container_is_running_whatever_happened_before() -> None:
    assert isinstance(observe(seen("runs", events=[happened("FailedMount")])), Running)


def test_another_container_neither_ends_nor_starts_a_step() -> None:
    what = seen("runs", waits("ContainerCreating"), events=())
    assert what.pod is not None
    pod = copy.deepcopy(what.pod)
    ended = {"name": "proxy", "image": "p", "state": {"terminated": {"exitCode": 0}}}
    pod["status"]["containerStatuses"].insert(0, ended)

    assert isinstance(judge(seen("runs", pod=pod, events=()), 1, SETTINGS), Waiting)
