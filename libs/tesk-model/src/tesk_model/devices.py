"""How a task asks for GPUs: by backend parameters, for each of its executors.

TES has no field for them. ``gpu`` is their number and ``gpu_type`` their model; a
type alone means one.
"""

import re
from collections.abc import Mapping

GPU = "gpu"
GPU_TYPE = "gpu_type"

MAX_GPUS = 9999

_COUNT = re.compile(r"[1-9][0-9]{0,3}")
_TYPE = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_.]{0,63}")


def gpu_count(parameters: Mapping[str, str]) -> int:
    """Return how many GPUs each executor of a task gets; 0 for none.

    Args:
        parameters: The backend parameters, keys in lower case.

    Raises:
        ValueError: It is not a number from 1 to ``MAX_GPUS``.
    """
    text = parameters.get(GPU, "1" if GPU_TYPE in parameters else "")
    if not text:
        return 0
    if _COUNT.fullmatch(text) is None:
        msg = f'"{text[:64]}" is not a number from 1 to {MAX_GPUS:,}'
        raise ValueError(msg)
    return int(text)


def gpu_type(parameters: Mapping[str, str]) -> str:
    """Return which GPUs a task asks for; "" for any, or for none.

    Raises:
        ValueError: It is not a name.
    """
    name = parameters.get(GPU_TYPE, "")
    if name and _TYPE.fullmatch(name) is None:
        msg = f'"{name[:64]}" is not a name of letters, digits, ".", "_" and "-"'
        raise ValueError(msg)
    return name
