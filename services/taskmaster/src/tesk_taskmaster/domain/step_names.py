"""Names the steps of an attempt, and reads these names.

| name | step |
|---|---|
| ``check`` | a filer checks whether the files of a candidate are what they were |
| ``in`` | a filer downloads the inputs |
| ``p0``, ``p1``, … | inspects the image of ``x0``, ``x1``, … |
| ``x0``, ``x1``, … | an executor |
| ``out``, ``out-1``, … | a filer uploads the outputs; later tries have a number |

All steps of an attempt that run as one pod are together named ``pod``. If all of them
start at once there, ``in`` and ``out`` have one container, named ``filer``.
"""

import re
from collections.abc import Iterable

CHECK = "check"
INPUTS = "in"
OUTPUTS = "out"
POD = "pod"
FILER = "filer"

_RETRY = re.compile(rf"{OUTPUTS}-([1-9][0-9]*)")
_EXECUTOR = re.compile(r"[xp]([0-9]+)")
_INSPECTION = re.compile(r"p[0-9]+")
_DIRECTIONS = {CHECK: "check", INPUTS: "inputs", OUTPUTS: "outputs", FILER: "both"}


def executor_step(index: int) -> str:
    """Return the name of the step that runs an executor."""
    return f"x{index}"


def executor_of(step: str) -> int:
    """Return which executor a step runs, or whose image it inspects.

    Raises:
        ValueError: It is a step of a filer.
    """
    match = _EXECUTOR.fullmatch(step)
    if match is None:
        raise ValueError(f"step {step} does not belong to an executor")
    return int(match[1])


def inspection_step(index: int) -> str:
    """Return the name of the step that inspects the image of an executor."""
    return f"p{index}"


def is_inspection_step(step: str) -> bool:
    """Tell whether a step inspects an image."""
    return _INSPECTION.fullmatch(step) is not None


def uses_volume(step: str) -> bool:
    """Tell whether a step is one of those that share files, in their order.

    All others come before them, and each runs by itself.
    """
    return step != CHECK and not is_inspection_step(step)


def is_repeatable(step: str) -> bool:
    """Tell whether a step may run twice in one attempt: any but an executor."""
    return bool(direction_of(step)) or is_inspection_step(step)


def outputs_step(tried: int) -> str:
    """Return the name of the step that uploads outputs, after so many tries."""
    return f"{OUTPUTS}-{tried}" if tried else OUTPUTS


def outputs_tried(steps: Iterable[str]) -> int:
    """Return the number of tries before the last one in ``steps``."""
    found = (_RETRY.fullmatch(step) for step in steps)
    return max((int(match[1]) for match in found if match), default=0)


def direction_of(step: str) -> str | None:
    """Return what the filer of a step is to do; None for any other step."""
    return _DIRECTIONS.get(OUTPUTS if _RETRY.fullmatch(step) else step)


def title_of(step: str) -> str:
    """Return the name of a step in messages for people."""
    if step == CHECK:
        return "the check of its candidate's files"
    if step == FILER:
        return "the filer of inputs and outputs"
    if direction := direction_of(step):
        return f"the transfer of {direction}"
    if step == POD:
        return "the pod of all steps"
    return f"executors[{executor_of(step)}]"
