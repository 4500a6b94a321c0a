"""Builds the launcher's options by which the steps of one pod take turns.

Each step begins when the container of the step before has ended, in whatever way. An
executor runs only if that step has passed; the filer of outputs also if it has failed.

Source:
    services/taskmaster/launcher/README.md.
"""

from collections.abc import Sequence

from tesk_kubernetes.api import JsonObject
from tesk_model.paths import OWN_FOLDER
from tesk_taskmaster.domain.layouts import Order
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.step_names import INPUTS, OUTPUTS

TURNS = "tesk-turns"
"""Name of the pod's volume by which its steps take turns."""

_TARGET = f"{OWN_FOLDER}/turns"
# Of a few empty files.
_SIZE = "1Mi"
# A filer that is killed or crashes is started again: no new pod would have its volume.
_RESTARTS = 3
# The codes by which a filer says what it came to; see its README.
_FINAL_CODES = (0, 65, 75, 78, 143)


def step_names(plan: Plan) -> Sequence[str]:
    """Return the steps of a plan in order, and so the containers of its pod."""
    return [
        *((INPUTS,) if plan.has_inputs else ()),
        *(step.name for step in plan.executors),
        *((OUTPUTS,) if plan.has_outputs else ()),
    ]


def turn_options(plan: Plan, step: str, *, order: Order) -> Sequence[str]:
    """Return the launcher's options for the turn of a step."""
    steps = step_names(plan)
    at = steps.index(step)
    options = ["--turns", _TARGET, "--turn", step]
    if at:
        options += ["--after", steps[at - 1]]
    if step == OUTPUTS:
        options.append("--even-if-failed")
        if plan.has_inputs:
            options += ["--unless-failed", INPUTS]
    if any(each.name == step and each.executor.ignore_error for each in plan.executors):
        options.append("--ignore-error")
    if order is Order.SEQUENCE:
        # The kubelet starts no further one after another code.
        options.append("--exit-zero")
    if step in (INPUTS, OUTPUTS):
        options += ["--restarts", str(_RESTARTS)]
        for code in _FINAL_CODES:
            options += ["--final-code", str(code)]
    return options


def turns_volume() -> JsonObject:
    """Return the volume of the pod."""
    return {"name": TURNS, "emptyDir": {"sizeLimit": _SIZE}}


def turns_mount() -> JsonObject:
    """Return its mount in each container of a step."""
    return {"name": TURNS, "mountPath": _TARGET}
