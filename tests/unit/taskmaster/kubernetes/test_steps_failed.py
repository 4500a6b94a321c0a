"""Failures and losses of steps of a cluster, with their reasons."""

import pytest

from fakes.taskmaster_reports import make_report
from taskmasters.pods import (
    CLAIM,
    FILER,
    GONE,
    SETTINGS,
    condition,
    ends,
    init_container,
    job_condition,
    judge,
    leaving,
    says,
    seen,
    status,
    waits,
    without_containers,
)
from tesk_model.reasons import ReasonCode
from tesk_taskmaster.adapters.kubernetes.status.observations import Ended, Snapshot

# What has outlasted its limit, and what has none. Input, seconds, lost, words.
FAILED: dict[str, tuple[Snapshot, float, bool, str]] = {
    "an image that is not there": (
        seen("image-not-found"),
        0,
        False,
        "executors[1]: image registry.example/x:1 cannot be pulled: failed to pull",
    ),
    "an image that is not there, once the pull backs off": (
        seen("image-not-found", waits("ImagePullBackOff")),
        0,
        False,
        "x:1: not found",
    ),
    "an image that is not there or not for us": (
        seen(
            "image-not-found",
            waits("ErrImagePull", "pull access denied, repository does not exist"),
        ),
        0,
        False,
        "cannot be pulled: pull access denied",
    ),
    "an image for another kind of machine": (
        seen(
            "image-not-found",
            waits("ErrImagePull", "no match for platform in manifest: not found"),
        ),
        0,
        False,
        "cannot be pulled: no match for platform",
    ),
    "an image that may not be read": (
        seen("image-not-found", waits("ErrImagePull", "401 Unauthorized")),
        90,
        False,
        "cannot be pulled, for 90 s: 401 Unauthorized",
    ),
    "an image that must be there already": (
        seen("image-not-found", waits("ErrImageNeverPull", "never")),
        0,
        False,
        "cannot be pulled: never",
    ),
    "a token of a registry that is renewed too late": (
        seen(
            "image-not-found",
            waits("ErrImagePull", "access denied: your token has expired"),
        ),
        90,
        False,
        "cannot be pulled, for 90 s: access denied: your token has expired",
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
        "executors[1]: registry.example/x:1 is not a valid image name: Failed to apply",
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
    "a node that cannot run the launcher": (
        seen(
            "not-startable",
            ends(
                reason="StartError",
                exitCode=128,
                message='runc create failed: exec: "/.tesk/launcher": permission denied',
            ),
        ),
        0,
        True,
        "executors[1]: the container of registry.example/x:1 cannot be started: runc",
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
        "its pod was told to end and its node does not answer, for 2 min: node node-1",
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
        "executors[1] lost: its end was not observed, as when its machine or node fails",
    ),
    "a container that ended with its node": (
        seen("runs", ends(exitCode=255, reason="Unknown")),
        0,
        True,
        "executors[1] lost: its end was not observed, as when its machine or node fails",
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
    "a pod that is gone, whose Job is complete": (
        seen("runs", pod_is_gone=True, job=job_condition("Complete", "")),
        0,
        True,
        "executors[1] lost: its pod was deleted",
    ),
    "a pod that was told to go, whose Job is complete": (
        seen("runs", leaving, pod_is_gone=True, job=job_condition("Complete", "")),
        0,
        True,
        "executors[1] lost: its pod was deleted",
    ),
    "a pod that nobody saw, whose Job is complete": (
        seen("runs", pod=None, has_no_pod=True, job=job_condition("Complete", "Done")),
        0,
        True,
        "executors[1] lost: its pod is gone, and its Job says: Done",
    ),
    "a pod that nobody saw, whose Job knows an exit code": (
        seen(
            "runs",
            pod=None,
            has_no_pod=True,
            job=job_condition("Failed", "failed with exit code 42 matching"),
        ),
        0,
        True,
        "executors[1] lost: its pod is gone, and its Job says: failed with exit code",
    ),
    "a pod that was told to go and ended well when asked": (
        seen("ended", leaving, says(make_report(0, terminated=True))),
        0,
        True,
        "executors[1] lost: its pod was deleted",
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
    "a reference is not there": (
        seen(
            "runs",
            without_containers,
            status(phase="Failed"),
            init_container(
                {
                    "terminated": {
                        "exitCode": 125,
                        "message": make_report(
                            125, error="inputs[0].url: ref://r/x: the reference has no"
                        ),
                    }
                },
                name="tesk-references",
            ),
        ),
        0,
        False,
        "inputs[0].url: ref://r/x: the reference has no",
    ),
    "the check of references cannot run": (
        seen(
            "runs",
            without_containers,
            status(phase="Failed"),
            init_container(
                {"terminated": {"exitCode": 128, "reason": "StartError"}},
                name="tesk-references",
            ),
        ),
        0,
        False,
        "executors[1]: container tesk-references of its pod ended with exit code 128",
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
def test_a_lasting_problem_fails_with_a_reason(
    what: Snapshot, after: float, lost: bool, words: str
) -> None:
    judged = judge(what, after, SETTINGS)

    assert isinstance(judged, Ended)
    result = judged.result
    assert (words in result.error, result.lost) == (True, lost), result.error


CODES = {
    "an image that is not there": ReasonCode.IMAGE_PULL_FAILED,
    "a command that the runtime cannot start": ReasonCode.CONTAINER_START_FAILED,
    "a quota of pods": ReasonCode.CLUSTER_QUOTA_FULL,
    "an eviction": ReasonCode.EVICTED,
    "a preemption": ReasonCode.PREEMPTED,
    "a pod that was deleted": ReasonCode.STEP_VANISHED,
    "a pod that nobody saw, whose Job is complete": ReasonCode.STEP_VANISHED,
    "a container that its node forgot": ReasonCode.NODE_LOST,
    "another container of the template fails": ReasonCode.CONTAINER_START_FAILED,
}


@pytest.mark.parametrize(("case", "code"), CODES.items(), ids=CODES)
def test_a_failure_has_a_code(case: str, code: ReasonCode) -> None:
    what, after, _, _ = FAILED[case]
    judged = judge(what, after, SETTINGS)

    assert isinstance(judged, Ended)
    assert judged.result.code is code
