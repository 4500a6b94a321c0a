"""Problems that hold up a step of a cluster, with their messages."""

import copy
from datetime import UTC, datetime, timedelta

import pytest

from taskmasters.pods import (
    CLAIM,
    SETTINGS,
    Edit,
    happened,
    init_container,
    judge,
    leaving,
    seen,
    status,
    waits,
)
from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.labels import QUEUE
from tesk_kubernetes.settings import KubernetesSettings
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Ended,
    Problem,
    ProblemKind,
    Snapshot,
    Waiting,
)
from tesk_taskmaster.adapters.kubernetes.status.pods import observe


def unscheduled(message: str) -> Edit:
    """Let the scheduler say why the pod has no node."""

    def edit(pod: JsonObject) -> None:
        (scheduled,) = pod["status"]["conditions"]
        scheduled["message"] = message

    return edit


def suspended(labels: dict[str, str]) -> JsonObject:
    return {
        "metadata": {"name": "j", "labels": labels},
        "spec": {"suspend": True},
        "status": {"conditions": [{"type": "Suspended", "status": "True"}]},
    }


def resumed(at: str) -> JsonObject:
    """Return a Job that its queue has let go."""
    let_go = {"type": "Suspended", "status": "False", "lastTransitionTime": at}
    created = "2026-11-22T19:18:46Z"
    return {
        "metadata": {"name": "j", "uid": "u", "creationTimestamp": created},
        "spec": {"suspend": False},
        "status": {"conditions": [let_go]},
    }


def refused(why: str, at: str) -> JsonObject:
    """Return what the Job controller tells of a pod that it cannot make."""
    made: JsonObject = happened("FailedCreate", f"Error creating: {why}", at=at)
    return made


BOUND = {"metadata": {"name": "v"}, "status": {"phase": "Bound"}}
FULL_NODE = (
    "0/5 nodes are available: 1 Insufficient cpu, 4 node(s) had volume node affinity "
    "conflict."
)

# What the user reads while there is hope. Input, seconds, and words.
WAITING: dict[str, tuple[Snapshot, float, str]] = {
    "an image that wants other credentials": (
        seen("image-not-found", waits("ErrImagePull", "401 Unauthorized")),
        89,
        (
            "executors[1]: image registry.example/x:1 cannot be pulled (given up after "
            "90 s): 401 Unauthorized"
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
    "a large image": (
        seen(
            "runs", waits("ContainerCreating"), events=[happened("Pulling", "Pulling")]
        ),
        3600,
        "executors[1]: pulling image registry.example/x:1",
    ),
    "an image that is pulled again after a failure, which its node still shows": (
        seen(
            "image-not-found",
            waits("ErrImagePull", "503 Service Unavailable"),
            events=[
                happened("Failed", 'Failed to pull image "x": 503'),
                happened("Pulling", "Pulling", at="2026-11-22T19:21:00Z"),
            ],
        ),
        86_400,
        "executors[1]: pulling image registry.example/x:1",
    ),
    "an image whose next pull has failed at once": (
        seen(
            "image-not-found",
            waits("ErrImagePull", "503 Service Unavailable"),
            events=[
                happened("Pulling", "Pulling"),
                happened("Failed", 'Failed to pull image "x": 503'),
            ],
        ),
        899,
        "cannot be pulled (given up after 15 min): 503 Service Unavailable",
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
    "claims that are not bound": (
        seen(
            "unschedulable",
            unscheduled(
                "0/1 nodes are available: pod has unbound immediate "
                "PersistentVolumeClaims."
            ),
        ),
        599,
        "waiting for its volume: 0/1 nodes are available: pod has unbound",
    ),
    "a node that has the volume and no room, without a limit": (
        seen("unschedulable", unscheduled(FULL_NODE), claim=BOUND),
        10**6,
        f"executors[1]: no node can take it: {FULL_NODE}",
    ),
    "such a node of a volume that no claim is known of": (
        seen("unschedulable", unscheduled(FULL_NODE)),
        10**6,
        f"executors[1]: no node can take it: {FULL_NODE}",
    ),
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
    "a quota that is full for the first time, of a Job that waited in a queue": (
        seen(
            "quota-of-pods",
            job=resumed("2026-11-22T22:00:00Z"),
            events=[
                refused("exceeded quota: q", at="2026-11-22T19:19:00Z"),
                refused("exceeded quota: q", at="2026-11-22T22:00:01Z"),
            ],
        ),
        3599,
        "a quota of the cluster has no room (given up after 60 min): exceeded quota: q",
    ),
    "a webhook that is away after hours of a full quota": (
        seen(
            "quota-of-pods",
            events=[
                refused("exceeded quota: q", at="2026-11-22T21:59:00Z"),
                refused("failed calling webhook w", at="2026-11-22T22:00:00Z"),
            ],
        ),
        59,
        "refuses to run it (given up after 60 s): failed calling webhook w",
    ),
    "a webhook that is away after so many tries that they are told of as one": (
        seen(
            "quota-of-pods",
            events=[
                refused("exceeded quota: q", at="2026-11-22T21:30:00Z"),
                {
                    **happened(
                        "FailedCreate",
                        "(combined from similar events): Error creating: failed "
                        "calling webhook w",
                        at="2026-11-22T22:00:00Z",
                    ),
                    "firstTimestamp": "2026-11-22T21:31:00Z",
                },
            ],
        ),
        59,
        "refuses to run it (given up after 60 s): failed calling webhook w",
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
    "a Job in a queue of the cluster": (
        seen("runs", pod=None, job=suspended({QUEUE: "science"})),
        86_400,
        "executors[1]: waiting in the queue science of the cluster",
    ),
    "one that the queue took back before it had a node": (
        seen("unschedulable", leaving, job=suspended({QUEUE: "science"})),
        86_400,
        "executors[1]: waiting in the queue science of the cluster",
    ),
    "a Job that somebody has suspended": (
        seen("runs", pod=None, job=suspended({})),
        86_400,
        "executors[1]: waiting while it is suspended",
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
            events=[happened("Failed", 'Failed to pull image "side:1": slow')],
        ),
        5,
        "image side:1 cannot be pulled (given up after 15 min): slow",
    ),
}


@pytest.mark.parametrize(("what", "after", "words"), WAITING.values(), ids=WAITING)
def test_a_problem_that_may_pass_is_reported_and_waited_for(
    what: Snapshot, after: float, words: str
) -> None:
    judged = judge(what, after, SETTINGS)

    assert isinstance(judged, Waiting)
    assert words in judged.reason.text
    assert judged.reason.code
    assert judged.reason.text.startswith("executors[1]: ")


def test_a_wait_for_a_node_can_be_limited() -> None:
    limited = KubernetesSettings(schedule_timeout=timedelta(minutes=10))
    what = seen("unschedulable")

    assert isinstance(judge(what, 599, limited), Waiting)
    judged = judge(what, 601, limited)
    assert isinstance(judged, Ended)
    assert "no node can take it, for 10 min: 0/1 nodes" in judged.result.error


def test_another_container_neither_ends_nor_starts_a_step() -> None:
    what = seen("runs", waits("ContainerCreating"), events=())
    assert what.pod is not None
    pod = copy.deepcopy(what.pod)
    ended = {"name": "proxy", "image": "p", "state": {"terminated": {"exitCode": 0}}}
    pod["status"]["containerStatuses"].insert(0, ended)

    assert isinstance(judge(seen("runs", pod=pod, events=()), 1, SETTINGS), Waiting)


TRIES = {
    "a quota": (ProblemKind.QUOTA, "exceeded quota: q"),
    "an admission": (ProblemKind.REFUSED, "denied"),
}


@pytest.mark.parametrize(("kind", "why"), TRIES.values(), ids=TRIES)
def test_the_first_try_in_vain_tells_since_when(kind: ProblemKind, why: str) -> None:
    tries = [refused(why, at=f"2026-11-22T19:{minute}:00Z") for minute in (30, 20, 40)]
    made = happened("SuccessfulCreate", at="2026-11-22T19:10:00Z")
    before = refused(why, at="2026-11-22T19:05:00Z")

    observed = observe(seen("quota-of-pods", events=[made, before, *tries]))

    assert isinstance(observed, Problem)
    assert observed.kind is kind
    assert observed.since == datetime(2026, 11, 22, 19, 20, tzinfo=UTC)


@pytest.mark.parametrize("name", WAITING)
def test_the_objects_tell_since_when(name: str) -> None:
    what = WAITING[name][0]
    observed = observe(what)
    if isinstance(observed, Problem) and what.events:
        assert observed.since is not None
