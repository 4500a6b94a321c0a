"""The layouts in which the end-to-end tests run TESK, and what shows in a cluster."""

import re
from collections.abc import Mapping

import pytest

from cluster.kube import Object
from cluster.values import Values
from tesk_kubernetes.pods import container_state

LAYOUTS = ("jobs", "together", "sequence")
"""A Job for each step; one pod in each of its orders."""

PODS = LAYOUTS[1:]

FAULTS = (
    LAYOUTS[0],
    *(pytest.param(each, marks=pytest.mark.long) for each in PODS),
)
"""Likewise, for tests of faults, which take long: those of pods run by themselves."""

SCENARIOS = (*LAYOUTS[:2], pytest.param(LAYOUTS[2], marks=pytest.mark.long))
"""Likewise, for the scenarios: steps of a sequence have tests of their own."""

_POD = "pod"
_FILER = "filer"  # of both transfers, if all steps start together


def layout_values(layout: str) -> Values:
    """Return the values of a release whose tasks have this layout."""
    if layout == "jobs":
        return {}
    return {"taskmaster": {"layout": _POD, "pod": {"order": layout}}}


def container_of(pod: Object, step: str) -> str:
    """Return the container of a step in a pod; "" if it is not in that pod."""
    label, _, _ = pod["metadata"]["labels"]["tesk/step"].partition("-")
    if label == _POD:
        return _containers(pod).get(step, "")
    return "main" if label == step else ""


def runs(pod: Object, step: str) -> bool:
    """Tell whether a step runs in a pod: its turn has come.

    Of inputs whose filer stays, the pod does not show that they have arrived.
    """
    name = container_of(pod, step)
    if not name or "deletionTimestamp" in pod["metadata"]:
        return False
    containers = _containers(pod)
    steps = list(containers)
    earlier = steps[: steps.index(step)] if step in steps else []  # a Job has none
    before = {containers[each] for each in earlier} - {_FILER}
    return "running" in container_state(pod, name) and all(
        "terminated" in container_state(pod, each) for each in before
    )


def _containers(pod: Object) -> Mapping[str, str]:
    """Return the steps that a pod has, in order, with their containers."""
    spec = pod["spec"]
    names = [
        container["name"]
        for container in (*(spec.get("initContainers") or ()), *spec["containers"])
    ]
    executors = [name for name in names if re.fullmatch("x[0-9]+", name)]
    steps = ["in", *executors, "out"]
    if _FILER in names:
        return {step: step if step in executors else _FILER for step in steps}
    return {step: step for step in steps if step in names}
