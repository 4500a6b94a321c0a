"""The layouts in which the end-to-end tests run TESK, and what shows in a cluster."""

from collections.abc import Sequence

import pytest

from cluster.kube import Object
from cluster.values import Values
from tesk_kubernetes.pods import container_state

LAYOUTS = ("jobs", "together", "sequence")
"""A Job for each step; one pod in each of its orders."""

FAULTS = (
    LAYOUTS[0],
    *(pytest.param(each, marks=pytest.mark.pod_faults) for each in LAYOUTS[1:]),
)
"""Likewise, for tests of faults, which take long: those of pods run by themselves."""

_POD = "pod"


def layout_values(layout: str) -> Values:
    """Return the values of a release whose tasks have this layout."""
    if layout == "jobs":
        return {}
    return {"taskmaster": {"layout": _POD, "pod": {"order": layout}}}


def container_of(pod: Object, step: str) -> str:
    """Return the container of a step in a pod; "" if it is not in that pod."""
    label, _, _ = pod["metadata"]["labels"]["tesk/step"].partition("-")
    if label == _POD:
        return step if step in _steps(pod) else ""
    return "main" if label == step else ""


def runs(pod: Object, step: str) -> bool:
    """Tell whether a step runs in a pod: its turn has come."""
    name = container_of(pod, step)
    if not name or "deletionTimestamp" in pod["metadata"]:
        return False
    steps = _steps(pod)
    earlier = steps[: steps.index(step)] if step in steps else []
    return "running" in container_state(pod, name) and all(
        "terminated" in container_state(pod, each) for each in earlier
    )


def _steps(pod: Object) -> Sequence[str]:
    """Return the steps whose containers a pod has, in order."""
    spec = pod["spec"]
    names = [
        container["name"]
        for container in (*(spec.get("initContainers") or ()), *spec["containers"])
    ]
    return [
        name
        for name in names
        if name in ("in", "out") or (name[:1] == "x" and name[1:].isdigit())
    ]
