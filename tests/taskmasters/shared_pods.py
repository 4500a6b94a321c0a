"""Steps of a pod that all share, in both orders: what their containers say of them."""

from dataclasses import replace
from typing import Any

import pytest

from fakes.taskmaster_reports import make_report
from taskmasters.pods import EXECUTOR, FILER, Edit, containers, seen
from tesk_kubernetes.api import JsonObject
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Observation,
    Subject,
)
from tesk_taskmaster.adapters.kubernetes.status.pods import observe

X0 = replace(EXECUTOR, name="executors[0]", container="x0", earlier=("in",))
X1 = replace(EXECUTOR, container="x1", earlier=("in", "x0"), later=("out",))
OUT = replace(FILER, container="out", earlier=("in", "x0", "x1"))
RUNS: JsonObject = {"running": {"startedAt": "2026-11-22T19:18:47Z"}}
HELD: JsonObject = {"waiting": {"reason": "PodInitializing"}}
CREATING: JsonObject = {"waiting": {"reason": "ContainerCreating"}}
NO_IMAGE: JsonObject = {"waiting": {"reason": "ErrImagePull", "message": "not found"}}


def over(code: int = 0, **fields: Any) -> JsonObject:
    """Return the state of a container that has ended."""
    return {"terminated": {"exitCode": code, "reason": "Error", **fields}}


def look(subject: Subject, *edits: Edit, **overrides: Any) -> Observation:
    """Observe a step of a pod that was edited."""
    return observe(seen("runs", *edits, subject=subject, **overrides))


def together(*states: JsonObject) -> Edit:
    """Let the containers that start at once have these states."""
    return containers(dict(zip(("in", "x0", "x1", "out"), states, strict=True)))


def in_sequence(*states: JsonObject) -> Edit:
    """Let the containers that start one after another have these states."""
    *first, last = states
    init = dict(zip(("in", "x0", "x1"), first, strict=True))
    return containers({"out": last}, init=init)


PASSED = over(message=make_report(0))
FAILED = over(3, message=make_report(3))
FAILED_IN_SEQUENCE = over(0, message=make_report(3))
ORDERS = {"together": together, "in sequence": in_sequence}
by_order = pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
