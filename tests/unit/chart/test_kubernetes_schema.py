"""The schemas that validate our manifests are strict."""

from copy import deepcopy
from typing import Any

import pytest

from charts.kubernetes_schema import VERSIONS, problems

JOB: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "a", "labels": {"tesk/task": "a"}},
    "spec": {
        "backoffLimit": 0,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "FailJob",
                    "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                }
            ]
        },
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "main",
                        "resources": {"limits": {"memory": "1Gi", "cpu": 1}},
                        "ports": [{"containerPort": 80}],
                    }
                ]
            }
        },
    },
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the Job with ``value`` at a path such as ``spec.0.name``."""
    job = deepcopy(JOB)
    *parents, last = path.split(".")
    place: Any = job
    for key in parents:
        place = place[int(key)] if key.isdigit() else place[key]
    place[last] = value
    return job


WRONG = {
    "an unknown field": ("spec.backofLimit", 1, "'backofLimit' was unexpected"),
    "an unknown field deep down": (
        "spec.template.spec.containers.0.imagePullpolicy",
        "Always",
        "'imagePullpolicy' was unexpected",
    ),
    "text for a number": ("spec.backoffLimit", "0", "is not of type 'integer'"),
    "a number for text": ("metadata.labels", {"a": 1}, "is not of type 'string'"),
    "a required field that lacks": (
        "spec.template.spec.containers",
        [{"image": "busybox"}],
        "'name' is a required property",
    ),
    "a list for an object": ("spec.template", [], "is not of type 'object'"),
    "another kind": ("kind", "Jobb", "no schema of batch/v1 Jobb"),
    "another version": ("apiVersion", "batch/v2", "no schema of batch/v2 Job"),
}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_valid_manifest_has_no_problems(version: str) -> None:
    assert problems(JOB, version) == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("path", "value", "message"), WRONG.values(), ids=WRONG)
def test_manifests_that_a_cluster_would_refuse_are_a_problem(
    path: str, value: Any, message: str, version: str
) -> None:
    found = problems(changed(path, value), version)
    assert len(found) == 1
    assert message in found[0]
