"""Failures of tasks in a cluster, one row each: how they end, with which message.

Three releases, whose limits are short, each broken in its own way; all tasks run
at once. So in each layout.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from clients.tes import FINAL
from cluster.ahead import chosen_names
from cluster.faults import (
    admission_policy,
    make_quota,
    priority_class,
    quota_of_priority_class,
    storage_class_without_provisioner,
)
from cluster.layouts import FAULTS, layout_values
from cluster.release import Release, installed
from cluster.session import Session
from cluster.values import SHORT_LIMITS, Values, merged
from programs.waiting import eventually
from scenarios.scenario import Task, codes, shell, system_logs

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

MISSING_IMAGE = "registry.invalid/no/such-image:1"
REFUSED_IMAGE = "busybox:refused"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One failure.

    Attributes:
        release: Which of the three.
        body: The task.
        state: Its end.
        told: What the end says.
        meanwhile: What the reason says while it lasts; "": it does not last.
        codes: Exit codes of the executors that ended before.
    """

    body: Task
    told: str
    release: str = "strict"
    state: str = "SYSTEM_ERROR"
    meanwhile: str = ""
    codes: list[int] = field(default_factory=list)


def _task(*executors: Task, **fields: Any) -> Task:
    return {"executors": list(executors) or [shell("true")], **fields}


def _with_parameters(**parameters: str) -> Task:
    return _task(resources={"backend_parameters": parameters})


ROWS: dict[str, Row] = {
    "the image of the first executor cannot be pulled": Row(
        body=_task({"image": MISSING_IMAGE, "command": ["true"]}),
        told=MISSING_IMAGE,
    ),
    "the image of the second executor cannot be pulled": Row(
        body=_task(shell("true"), {"image": MISSING_IMAGE, "command": ["true"]}),
        told=MISSING_IMAGE,
        codes=[0],
    ),
    "an image name that is none": Row(
        body=_task({"image": "Not/An-Image:1", "command": ["true"]}),
        told="Not/An-Image:1",
    ),
    "no node is in the zone": Row(
        body=_task(resources={"zones": ["nowhere"]}),
        told="node",
        meanwhile="node",
    ),
    "no node is in the pool": Row(
        body=_with_parameters(pool="nowhere"), told="node", meanwhile="node"
    ),
    "a ResourceQuota has no room": Row(
        body=_with_parameters(priority_class="<priority class>"),
        told="quota",
        meanwhile="quota",
    ),
    "an admission policy refuses the pod": Row(
        body=_task({"image": REFUSED_IMAGE, "command": ["true"]}),
        told="not in this house",
        meanwhile="not in this house",
    ),
    "the filer's image cannot be pulled": Row(
        body=_task(inputs=[{"path": "/in/a", "content": "x"}]),
        told="tesk-filer:none",
    ),
    "a container cannot be made": Row(
        release="broken", body=_task(), told="no-such-secret", meanwhile="started"
    ),
    "the task's volume is not provided": Row(
        release="unbound",
        body=_task(volumes=["/vol"]),
        told="volume",
        meanwhile="volume",
    ),
    "a volume of the executors cannot be mounted": Row(
        release="unbound", body=_task(), told="mount", meanwhile="mount"
    ),
}


@dataclass
class Outcome:
    """What came of a row: the finished task, and all reasons on the way."""

    task_id: str
    release: Release
    reasons: set[str] = field(default_factory=set)
    state: str = ""

    def look(self) -> bool:
        """Note what is told now; return whether it is over."""
        if self.state not in FINAL:
            live = self.release.live(self.task_id)
            self.reasons.add(live.get("reason") or "")
            self.state = live["state"]
        return self.state in FINAL


@pytest.fixture(scope="module", params=FAULTS)
def releases(
    request: pytest.FixtureRequest, session: Session
) -> Iterator[dict[str, Release]]:
    """Three of a layout, each with what is wrong with it."""
    layout: Values = merged(
        layout_values(request.param), {"taskmaster": {"pod": {"volume": "ephemeral"}}}
    )
    # The longer limits are of what is told before it is given up, however busy the
    # machine: events, above all, are asked for in turns.
    changes: Mapping[str, Values] = {
        "strict": {
            "timeLimits": {"quotaSeconds": 40, "refusalSeconds": 40},
            "filer": {"image": {"tag": "none"}},
            "placement": {
                "pools": {"nowhere": {"nodeSelector": {"e2e": "nowhere"}}},
                "priorityClasses": [session.name],
            },
        },
        "broken": {
            "timeLimits": {"configSeconds": 40},
            "executors": {
                "extraEnv": [
                    {
                        "name": "EXTRA",
                        "valueFrom": {
                            "secretKeyRef": {"name": "no-such-secret", "key": "a"}
                        },
                    }
                ]
            },
        },
        "unbound": {
            "timeLimits": {"volumeSeconds": 40},
            "taskVolumes": {"storageClass": session.name},
            "executors": {
                "extraVolumes": [
                    {"name": "extra", "secret": {"secretName": "no-such-secret"}}
                ],
                "extraVolumeMounts": [{"name": "extra", "mountPath": "/extra"}],
            },
        },
    }
    limits = {
        "timeLimits": SHORT_LIMITS,
        "api": {"replicas": 1},
        "scheduler": {"maxAttempts": 1},
    }
    own = f"{session.name}-{request.param}"
    strict = f"{own}-strict"
    with ExitStack() as exits:
        exits.enter_context(priority_class(session.kube, session.name))
        exits.enter_context(
            storage_class_without_provisioner(session.kube, session.name)
        )
        made = {
            name: exits.enter_context(
                installed(
                    session.kube,
                    f"{own}-{name}",
                    merged(merged(merged(session.values(), limits), layout), change),
                )
            )
            for name, change in changes.items()
        }
        exits.enter_context(
            admission_policy(
                session.kube, session.name, namespace=strict, image=REFUSED_IMAGE
            )
        )
        exits.enter_context(
            quota_of_priority_class(session.kube, session.name, namespace=strict)
        )
        for release in made.values():
            release.connect()
        yield made


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, session: Session, releases: dict[str, Release]
) -> dict[str, Outcome]:
    """Run all selected rows at once; watch what users are told until the last ends."""
    found: dict[str, Outcome] = {}
    for name in chosen_names(request):
        row = ROWS[name]
        body = _with_class(row.body, session.name)
        release = releases[row.release]
        found[name] = Outcome(task_id=release.create(body), release=release)

    def all_over() -> bool:
        over = [outcome.look() for outcome in found.values()]
        return all(over)

    # If it does not: each row tells for itself how far it came.
    with suppress(AssertionError):
        eventually(all_over, within=150, every=0.3)
    return found


@pytest.mark.parametrize("name", ROWS)
def test_failure(name: str, outcomes: dict[str, Outcome]) -> None:
    row, outcome = ROWS[name], outcomes[name]
    release, task_id = outcome.release, outcome.task_id
    assert outcome.state == row.state, (
        outcome.state,
        outcome.reasons,
        release.describe(task_id),
    )
    task = release.get(task_id)

    assert row.told.lower() in system_logs(task).lower()
    assert codes(task) == row.codes
    assert any(row.meanwhile.lower() in it.lower() for it in outcome.reasons), (
        outcome.reasons
    )
    release.wait_until_clean(task_id)


def test_results_of_executors_before_a_failure_are_kept(
    session: Session, releases: dict[str, Release]
) -> None:
    storage = session.storage.folder("failure")
    release = releases["strict"]

    task = release.run(
        _task(
            shell("echo kept > /out/a"),
            {"image": MISSING_IMAGE, "command": ["true"]},
            outputs=[{"path": "/out/a", "url": storage.url("a")}],
        )
    )

    assert task["state"] == "SYSTEM_ERROR"
    assert MISSING_IMAGE in system_logs(task)
    # All images of a pod with files are looked into before its first step.
    assert codes(task) == ([] if release.has_one_pod else [0])


def test_a_full_quota_is_waited_for(session: Session, tesk: Release) -> None:
    spec = {"hard": {"count/jobs.batch": "0"}}
    make_quota(session.kube, tesk.namespace, "full", spec)
    try:
        task_id = tesk.create(_task())
        tesk.wait_for_reason(task_id, "quota")
    finally:
        session.kube.delete("resourcequotas", tesk.namespace, "full")

    task = tesk.finish(task_id)

    assert task["state"] == "COMPLETE"
    assert codes(task) == [0]
    tesk.wait_until_clean(task_id)


def test_pod_security_refuses_what_the_cluster_does_not_allow(
    session: Session, releases: dict[str, Release]
) -> None:
    release = releases["broken"]
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    session.kube.patch(
        "namespaces", "", release.namespace, {"metadata": {"labels": label}}
    )

    task = release.run(_task())

    assert task["state"] == "SYSTEM_ERROR"
    assert "PodSecurity" in system_logs(task)
    release.wait_until_clean(task["id"])


def _with_class(body: Task, name: str) -> Task:
    parameters = body.get("resources", {}).get("backend_parameters", {})
    if "priority_class" in parameters:
        return {**body, "resources": {"backend_parameters": {"priority_class": name}}}
    return body
