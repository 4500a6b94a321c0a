"""Pods as a cluster (1.34) recorded them, edited to what one node cannot produce.

What a test says of one is how the runtime of a cluster would see and judge it.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.settings import KubernetesSettings
from tesk_taskmaster.adapters.kubernetes.status.failure_table import judge_problem
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Judgement,
    Problem,
    Snapshot,
    Subject,
)
from tesk_taskmaster.adapters.kubernetes.status.pods import observe

RECORDS = Path(__file__).parents[1] / "records" / "pods"
# When the records begin.
BEGUN = datetime(2026, 11, 22, 19, 18, 46, tzinfo=UTC)
RAM = 64 * 1024**2
EXECUTOR = Subject(name="executors[1]", image="registry.example/x:1", ram=RAM)
FILER = Subject(name="the transfer of inputs", image="tesk-filer:1")
SETTINGS = KubernetesSettings()
Edit = Callable[[JsonObject], None]


def seen(record: str, *edits: Edit, **overrides: Any) -> Snapshot:
    """Return a record as the book would have it; edits change its pod."""
    found = json.loads((RECORDS / f"{record}.json").read_text("utf-8"))
    for edit in edits:
        edit(found["pod"])
    fields = {"subject": EXECUTOR} | found | overrides
    return Snapshot(**fields)


def judge(what: Snapshot, after: float, settings: KubernetesSettings) -> Judgement:
    """Judge what has been so for ``after`` seconds."""
    observed = observe(what)
    if not isinstance(observed, Problem):
        return observed
    since = observed.since or BEGUN
    return judge_problem(
        observed,
        what.subject,
        since=since,
        now=since + timedelta(seconds=after),
        settings=settings,
    )


def main_state(pod: JsonObject) -> JsonObject:
    """Return the state of its main container, to be changed."""
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
    """Let the container not have begun."""

    def edit(pod: JsonObject) -> None:
        state = main_state(pod)
        state.clear()
        state["waiting"] = {"reason": reason, "message": message}
        pod["status"]["phase"] = "Pending"

    return edit


def condition(kind: str, **fields: str) -> Edit:
    """Add a condition that is true."""
    made = {"type": kind, "status": "True"} | fields
    return lambda pod: pod["status"]["conditions"].append(made)


def leaving(pod: JsonObject) -> None:
    """Let the pod be asked to end."""
    pod["metadata"]["deletionTimestamp"] = "2026-11-22T19:18:46Z"


def status(**fields: str) -> Edit:
    """Let the status of the pod say this."""
    return lambda pod: pod["status"].update(fields)


def init_container(state: JsonObject, name: str = "proxy") -> Edit:
    """Give the pod a container that runs before the main one."""
    made = {"name": name, "image": "side:1", "state": state}
    return lambda pod: pod["status"].update(initContainerStatuses=[made])


def containers(
    states: Mapping[str, JsonObject], *, init: Mapping[str, JsonObject] | None = None
) -> Edit:
    """Give the pod these containers, by name; ``init`` run before the others."""

    def statuses(given: Mapping[str, JsonObject]) -> list[JsonObject]:
        return [
            {"name": name, "image": f"{name}:1", "state": state}
            for name, state in given.items()
        ]

    return lambda pod: pod["status"].update(
        containerStatuses=statuses(states), initContainerStatuses=statuses(init or {})
    )


def without_containers(pod: JsonObject) -> None:
    """Let its node have told nothing of its containers."""
    del pod["status"]["containerStatuses"]


def happened(reason: str, message: str = "", at: str = "2026-11-22T19:20:00Z") -> Any:
    """Return an event."""
    return {
        "metadata": {"name": "e"},
        "reason": reason,
        "message": message,
        "lastTimestamp": at,
    }


def job_condition(kind: str, message: str) -> JsonObject:
    """Return a Job that is over."""
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
