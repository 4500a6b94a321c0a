"""Applies what a TESK server tells of a task to the live view of it; pure.

The events are those of ``/tesk/v1/tasks/{id}/events``; one that is not known here is of
a later release and changes nothing.
"""

from collections.abc import Mapping
from typing import Any

_STREAMS = ("stdout", "stderr")


def applied(
    view: Mapping[str, Any] | None, name: str, data: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return the view after one event; None if there is none yet."""
    if name == "task":
        return dict(data)
    if view is None:
        return None
    after = dict(view)
    if name == "change":
        after |= data
        for key in [key for key, value in data.items() if value is None]:
            del after[key]
    elif name == "system_logs":
        after["system_logs"] = [*view["system_logs"], *data["lines"]]
    elif name in ("executor", "output"):
        executors = list(view["executors"])
        index = data["index"]
        executors += [{"index": index}] if index == len(executors) else []
        apply = _with_fields if name == "executor" else _with_output
        executors[index] = apply(executors[index], data)
        after["executors"] = executors
    return after


def _with_fields(
    executor: Mapping[str, Any], data: Mapping[str, Any]
) -> dict[str, Any]:
    streams = {name: executor[name] for name in _STREAMS if name in executor}
    return {**data, **streams}


def _with_output(
    executor: Mapping[str, Any], data: Mapping[str, Any]
) -> dict[str, Any]:
    more = {
        name: executor.get(name, "") + data[name] for name in _STREAMS if name in data
    }
    return {**executor, **more}
