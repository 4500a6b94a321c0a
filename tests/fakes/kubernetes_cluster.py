"""The Job controller and a kubelet, over the fake API, driven by tests."""

import itertools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256

from fakes.kubernetes_api import FakeKubernetesApi
from fakes.kubernetes_logs import ENDED
from tesk_kubernetes.api import (
    EVENTS,
    JOBS,
    PODS,
    EventType,
    JsonObject,
    KubernetesError,
    Resource,
    WatchEvent,
)


class FakeCluster:
    """Makes a pod for each Job; what becomes of pods is the test's say.

    Attributes:
        makes_pods: Whether the Job controller is at work.
        program: Called with each new pod; an exit code: the pod runs and ends
            at once. None: the test drives it.
        silent_nodes: Nodes whose kubelets do nothing, as after a power cut.
    """

    def __init__(self, api: FakeKubernetesApi) -> None:
        self.makes_pods = True
        self.program: Callable[[JsonObject], int | None] = lambda _pod: None
        self.silent_nodes: set[str] = set()
        self._api = api
        self._numbers = itertools.count(1)
        api.listeners.append(self._hear)

    # What tests look at.

    def pods(self, namespace: str = "") -> list[JsonObject]:
        return self._api.all(PODS, namespace)

    def pod_of(self, job: str) -> JsonObject:
        """Return the youngest pod of a Job."""
        found = [
            pod
            for pod in self.pods()
            if pod["metadata"].get("labels", {}).get("job-name") == job
        ]
        if not found:
            raise LookupError(f"no pod of Job {job}")
        return max(found, key=lambda pod: int(pod["metadata"]["resourceVersion"]))

    def find(self, pod: JsonObject) -> JsonObject | None:
        """Return the last version of a pod; None if it is gone."""
        metadata = pod["metadata"]
        return self._api.peek(PODS, metadata["namespace"], metadata["name"])

    # What tests make happen. A pod is given as any version of its object.

    def bind(self, pod: JsonObject, *, node: str = "node-1") -> JsonObject:
        """Give the pod a node."""

        def edit(new: JsonObject) -> None:
            new["spec"]["nodeName"] = node
            _set_condition(new, {"type": "PodScheduled", "status": "True"})

        return self._edit(pod, edit)

    def start(self, pod: JsonObject, *, node: str = "node-1") -> JsonObject:
        """Let the container ``main`` run."""
        self._bind_if_needed(pod, node)

        def edit(new: JsonObject) -> None:
            new["status"] |= {"phase": "Running", "startTime": _now()}
            _set_state(new, {"running": {"startedAt": _now()}})

        return self._edit(pod, edit)

    def finish(
        self,
        pod: JsonObject,
        code: int = 0,
        *,
        report: str = "",
        reason: str = "",
    ) -> JsonObject:
        """Let ``main`` end: ``report`` is its termination message."""
        self._bind_if_needed(pod, "node-1")
        started = _running_since(self._now_of(pod)) or _now()
        ended = {
            "exitCode": code,
            "reason": reason or ("Error" if code else "Completed"),
            "message": report,
            "startedAt": started,
            "finishedAt": _now(),
        }

        def edit(new: JsonObject) -> None:
            new["status"]["phase"] = "Failed" if code else "Succeeded"
            _set_state(new, {"terminated": ended})

        return self._edit(pod, edit)

    def set_containers(
        self, pod: JsonObject, states: Mapping[str, JsonObject], *, phase: str
    ) -> JsonObject:
        """Let containers of a pod be in these states, and the others as they are."""
        self._bind_if_needed(pod, "node-1")

        def edit(new: JsonObject) -> None:
            new["status"] |= {"phase": phase, "startTime": _now()}
            for name, state in states.items():
                _set_state(new, state, name)

        return self._edit(pod, edit)

    def crash(self, pod: JsonObject, *, reason: str, message: str = "") -> JsonObject:
        """Let the pod as a whole fail: Evicted, OutOfcpu, DeadlineExceeded …"""

        def edit(new: JsonObject) -> None:
            new["status"] |= {"phase": "Failed", "reason": reason, "message": message}

        return self._edit(pod, edit)

    def disrupt(
        self, pod: JsonObject, *, reason: str = "EvictionByEvictionAPI"
    ) -> JsonObject:
        """Let the cluster end the pod: drain, preemption, taint (exit code 143)."""

        def edit(new: JsonObject) -> None:
            condition = {"type": "DisruptionTarget", "status": "True", "reason": reason}
            _set_condition(new, condition)
            new["status"]["phase"] = "Failed"
            if _running_since(new):
                terminated = {"exitCode": 143, "reason": "Error", "finishedAt": _now()}
                _set_state(new, {"terminated": terminated})

        return self._edit(pod, edit)

    def hold(
        self,
        pod: JsonObject,
        *,
        reason: str,
        message: str = "",
        container: str = "main",
    ) -> JsonObject:
        """Let a container wait: ImagePullBackOff, CreateContainerConfigError …"""
        self._bind_if_needed(pod, "node-1")
        waiting = {"waiting": {"reason": reason, "message": message}}
        return self._edit(pod, lambda new: _set_state(new, waiting, container))

    def fail_pull(
        self,
        pod: JsonObject,
        *,
        reason: str = "ErrImagePull",
        message: str = "failed to pull and unpack image: not found",
    ) -> JsonObject:
        """Let the image fail to be pulled, with the event that tells why."""
        held = self.hold(pod, reason=reason, message=message)
        said = f'Failed to pull image "x": {message}'
        self.add_event(held, PODS, reason="Failed", message=said)
        return held

    def unschedulable(
        self, pod: JsonObject, *, message: str = "0/1 nodes are available"
    ) -> JsonObject:
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
        }
        return self._edit(pod, lambda new: _set_condition(new, condition))

    def lose_node(self, node: str = "node-1") -> None:
        """Let a node go silent, and its pods be marked for deletion in vain."""
        self.silent_nodes.add(node)
        for pod in self.pods():
            if pod["spec"].get("nodeName") == node and not _has_ended(pod):
                self._edit(pod, _lose)

    def remove(self, pod: JsonObject) -> None:
        """Let a pod's object go, as pod garbage collection does."""
        metadata = pod["metadata"]
        self._api.vanish(PODS, metadata["namespace"], metadata["name"])

    def admit(self, job: JsonObject) -> None:
        """Let a queue give a Job its room: it gets a pod."""
        self._make_pod(self._suspend(job, suspended=False))

    def preempt(self, job: JsonObject) -> None:
        """Let a queue take the room of a Job back: it loses its pod."""
        suspended = self._suspend(job, suspended=True)
        for pod in self.pods():
            owners = pod["metadata"].get("ownerReferences", ())
            if any(owner["uid"] == suspended["metadata"]["uid"] for owner in owners):
                self.remove(pod)

    def add_event(
        self, about: JsonObject, resource: Resource, *, reason: str, message: str
    ) -> None:
        """Make an event."""
        metadata = about["metadata"]
        involved = {
            "kind": resource.kind,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        }
        body = {
            "metadata": {"name": f"{metadata['name']}.{next(self._numbers)}"},
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "type": "Warning",
            "lastTimestamp": _now(),
        }
        self._api.plant(EVENTS, metadata["namespace"], body)

    def repeat_events(self, at: datetime) -> None:
        """Tell again at a time what was told."""

        def edit(new: JsonObject) -> None:
            new.setdefault("firstTimestamp", new["lastTimestamp"])
            new["lastTimestamp"] = at.isoformat()

        for event in self._api.all(EVENTS):
            metadata = event["metadata"]
            self._api.change(EVENTS, metadata["namespace"], metadata["name"], edit)

    # The controllers.

    def _hear(self, resource: Resource, event: WatchEvent) -> None:
        is_new = resource == JOBS and event.type is EventType.ADDED
        if is_new and self.makes_pods and not _is_suspended(event.object):
            self._make_pod(event.object)
        if resource == PODS:
            self._reconcile(event)

    def _make_pod(self, job: JsonObject) -> None:
        metadata, template = job["metadata"], job["spec"]["template"]
        of_job = {
            "job-name": metadata["name"],
            "batch.kubernetes.io/job-name": metadata["name"],
            "batch.kubernetes.io/controller-uid": metadata["uid"],
        }
        owner = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": metadata["name"],
            "uid": metadata["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
        made = dict(template.get("metadata", {}))
        made |= {
            "name": f"{metadata['name']}-{next(self._numbers):05}",
            "labels": made.get("labels", {}) | of_job,
            "ownerReferences": [owner],
        }
        body = {"metadata": made, "spec": template["spec"]}
        try:
            pod = self._api.plant(PODS, metadata["namespace"], body)
        except KubernetesError as error:
            self.add_event(job, JOBS, reason="FailedCreate", message=str(error))
            return
        self._api.change(JOBS, metadata["namespace"], metadata["name"], _set_active)
        code = self.program(pod)
        if code is not None:
            self.finish(self.start(pod), code)

    def _reconcile(self, event: WatchEvent) -> None:
        pod = event.object
        gone = event.type is EventType.DELETED
        if gone or _has_ended(pod):
            self._end_job(pod)
        elif _is_leaving(pod) and pod["spec"].get("nodeName") not in self.silent_nodes:
            self.remove(pod)

    def _end_job(self, pod: JsonObject) -> None:
        name = pod["metadata"].get("labels", {}).get("job-name")
        namespace = pod["metadata"]["namespace"]
        job = self._api.peek(JOBS, namespace, name) if name else None
        if job is None or job.get("status", {}).get("conditions"):
            return
        if _is_suspended(job) and pod["status"].get("phase") != "Succeeded":
            return
        succeeded = pod["status"].get("phase") == "Succeeded"
        self._api.change(JOBS, namespace, name, lambda new: _end(new, succeeded))

    # Within.

    def _now_of(self, pod: JsonObject) -> JsonObject:
        metadata = pod["metadata"]
        found = self._api.peek(PODS, metadata["namespace"], metadata["name"])
        if found is None:
            raise LookupError(f"no pod {metadata['name']}")
        return found

    def _bind_if_needed(self, pod: JsonObject, node: str) -> None:
        if not self._now_of(pod)["spec"].get("nodeName"):
            self.bind(pod, node=node)

    def _suspend(self, job: JsonObject, *, suspended: bool) -> JsonObject:
        metadata = job["metadata"]

        def edit(new: JsonObject) -> None:
            new["spec"]["suspend"] = suspended

        return self._api.change(JOBS, metadata["namespace"], metadata["name"], edit)

    def _edit(self, pod: JsonObject, edit: Callable[[JsonObject], None]) -> JsonObject:
        metadata = pod["metadata"]
        return self._api.change(PODS, metadata["namespace"], metadata["name"], edit)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _has_ended(pod: JsonObject) -> bool:
    return pod["status"].get("phase") in ENDED


def _is_suspended(job: JsonObject) -> bool:
    return bool(job["spec"].get("suspend"))


def _is_leaving(pod: JsonObject) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _running_since(pod: JsonObject) -> str:
    for status in pod["status"].get("containerStatuses", []):
        since = status["state"].get("running", {}).get("startedAt", "")
        if since:
            return str(since)
    return ""


def _set_state(pod: JsonObject, state: JsonObject, name: str = "main") -> None:
    """Set the state of a container, among the init containers if it is one."""
    spec = pod["spec"]
    init = any(each["name"] == name for each in spec.get("initContainers") or ())
    statuses = pod["status"].setdefault(
        "initContainerStatuses" if init else "containerStatuses", []
    )
    new = {"name": name, "state": state, "ready": "running" in state, "restartCount": 0}
    if "waiting" not in state:
        new["imageID"] = image_id(pod, name)
    statuses[:] = [*(each for each in statuses if each["name"] != name), new]


def image_id(pod: JsonObject, name: str = "main") -> str:
    """Return what the cluster calls the image that a container runs."""
    spec = pod["spec"]
    given = [*(spec.get("initContainers") or ()), *spec["containers"]]
    image = next(
        (str(each.get("image", "")) for each in given if each["name"] == name), ""
    )
    digest = sha256(image.encode()).hexdigest()
    return f"registry.example/{image.partition(':')[0]}@sha256:{digest}"


def _set_condition(owner: JsonObject, condition: dict[str, str]) -> None:
    status = owner.setdefault("status", {})
    others = [
        known
        for known in status.get("conditions", [])
        if known["type"] != condition["type"]
    ]
    status["conditions"] = [*others, {"lastTransitionTime": _now()} | condition]


def _lose(pod: JsonObject) -> None:
    unready = {"type": "Ready", "status": "False", "reason": "NodeStatusUnknown"}
    _set_condition(pod, unready)
    pod["status"]["reason"] = "NodeLost"
    pod["metadata"].setdefault("deletionTimestamp", _now())


def _set_active(job: JsonObject) -> None:
    job["status"] = {"active": 1, "startTime": _now()}


def _end(job: JsonObject, succeeded: bool) -> None:
    kinds = (
        ("SuccessCriteriaMet", "Complete") if succeeded else ("FailureTarget", "Failed")
    )
    reason = "CompletionsReached" if succeeded else "PodFailurePolicy"
    for kind in kinds:
        _set_condition(job, {"type": kind, "status": "True", "reason": reason})
    job["status"].pop("active", None)
    job["status"]["succeeded" if succeeded else "failed"] = 1
