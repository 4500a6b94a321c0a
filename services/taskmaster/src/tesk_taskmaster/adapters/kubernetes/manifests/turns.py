"""Builds the launcher's options by which the steps of one pod take turns.

Each step begins when the containers of those before have ended, in whatever way. An
executor runs only if these have passed; the filer of outputs also if one has failed.
Where all start together, one filer has both transfers, so that its program starts once.

Source:
    services/taskmaster/launcher/README.md.
"""

from collections.abc import Sequence
from itertools import takewhile

from tesk_kubernetes.api import JsonObject
from tesk_model.paths import OWN_FOLDER
from tesk_taskmaster.domain.layouts import Order
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.step_names import FILER, INPUTS, OUTPUTS, direction_of

TURNS = "tesk-turns"
"""Name of the pod's volume by which its steps take turns."""

_TARGET = f"{OWN_FOLDER}/turns"
# The kubelet starts no further container after one with another code. Jobs of all
# releases have it in every container of a sequence, and in no other.
_IN_SEQUENCE = "--exit-zero"
# Of a few empty files.
_SIZE = "1Mi"
# A filer that is killed or crashes is started again: no new pod would have its volume.
_RESTARTS = 3
# The codes by which a filer says what it came to; see its README.
_FINAL_CODES = (0, 65, 75, 78, 143)


def step_names(plan: Plan) -> Sequence[str]:
    """Return the steps of a plan, in order."""
    return [
        *((INPUTS,) if plan.has_inputs else ()),
        *(step.name for step in plan.executors),
        *((OUTPUTS,) if plan.has_outputs else ()),
    ]


def container_of(plan: Plan, step: str, order: Order) -> str:
    """Return the name of the container that runs a step."""
    if order is Order.TOGETHER and plan.has_inputs and plan.has_outputs:
        return FILER if step in (INPUTS, OUTPUTS) else step
    return step


def container_names(plan: Plan, order: Order) -> Sequence[str]:
    """Return the containers of a pod in the order in which its node starts them.

    That is the order of their first steps. Where all start together the filer comes
    first, also if it has outputs only: a node pulls the image of each before it starts
    the next, and outputs of a step that failed wait for no image of a later one.
    """
    steps = step_names(plan)
    names = list(dict.fromkeys(container_of(plan, step, order) for step in steps))
    if order is Order.TOGETHER:
        names.sort(key=lambda name: not direction_of(name))
    return names


def turn_options(plan: Plan, container: str, *, order: Order) -> Sequence[str]:
    """Return the launcher's options for the turn, or both turns, of a container."""
    steps = step_names(plan)
    step, first = (OUTPUTS, INPUTS) if container == FILER else (container, container)
    at = steps.index(step)
    options = ["--turns", _TARGET, "--turn", first]
    if step != first:
        options += ["--then", step]
    for before in _named(steps[:at], order):
        if before != first:
            options += ["--after", before]
    if step == OUTPUTS:
        options.append("--even-if-failed")
        if plan.has_inputs and step == first:
            options += ["--unless-failed", INPUTS]
    if any(each.name == step and each.executor.ignore_error for each in plan.executors):
        options.append("--ignore-error")
    if order is Order.SEQUENCE:
        options += ["--ordered", _IN_SEQUENCE]
    if step in (INPUTS, OUTPUTS):
        options += ["--restarts", str(_RESTARTS)]
        for code in _FINAL_CODES:
            options += ["--final-code", str(code)]
    return options


def _named(earlier: Sequence[str], order: Order) -> Sequence[str]:
    """Return those of the earlier steps that the launcher of a step must know.

    Steps that start together name all before them: one whose launcher is killed while
    it waits ends before its predecessors. In a sequence nothing waits: the last before
    it has passed only if all have, and the first is what outputs need.
    """
    if order is Order.TOGETHER:
        return earlier
    return list(dict.fromkeys((*earlier[:1], *earlier[-1:])))


def order_of(job: JsonObject) -> Order:
    """Return how the steps of a Job of one pod follow each other.

    Init containers do not say it: a pod of one step has none in either order.
    """
    spec = job["spec"]["template"]["spec"]
    return (
        Order.SEQUENCE
        if any(_is_in_sequence(container) for container in spec["containers"])
        else Order.TOGETHER
    )


def _is_in_sequence(container: JsonObject) -> bool:
    """Tell it by the options of its launcher, if it has one."""
    options = list(takewhile(lambda word: word != "--", container.get("args") or ()))
    return "--turn" in options and _IN_SEQUENCE in options


def turns_volume() -> JsonObject:
    """Return the volume of the pod."""
    return {"name": TURNS, "emptyDir": {"sizeLimit": _SIZE}}


def turns_mount() -> JsonObject:
    """Return its mount in each container of a step."""
    return {"name": TURNS, "mountPath": _TARGET}
