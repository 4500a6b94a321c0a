"""Decides what to tell somebody who follows a task: the difference of two live views.

Pure. A view is the JSON of the live view as plain objects. A follower applies the events
to the view that he has: ``task`` replaces it, ``change`` replaces fields, ``executor``
replaces those of one executor but its streams, ``output`` appends to these, and
``system_logs`` appends lines. ``end`` is the last one.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tesk_model.states import TaskState

View = Mapping[str, Any]

TASK_EVENTS = ("task", "change", "executor", "output", "system_logs", "end")
"""The names of all events."""

_STREAMS = ("stdout", "stderr")
_LISTS = ("executors", "system_logs")


@dataclass(frozen=True, slots=True)
class TaskEvent:
    """One event; ``data`` is a JSON object."""

    name: str
    data: View


def is_final(view: View) -> bool:
    """Tell whether nothing more will happen."""
    return TaskState(view["state"]).is_final


def version_of(view: View) -> str:
    """Return what tells one view of a task from another: the id of an event."""
    text = json.dumps(_compared(view), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=9).hexdigest()


def events_between(before: View | None, after: View) -> list[TaskEvent]:
    """Return the events that lead from one view of a task to a later one.

    Args:
        before: None for somebody who has none.
        after: The present one.
    """
    events = list(_changes(before, after)) if before else [TaskEvent("task", after)]
    if any(event.name == "task" for event in events):
        events = [TaskEvent("task", after)]
    if is_final(after):
        events.append(TaskEvent("end", {"state": after["state"]}))
    return events


def _changes(before: View, after: View) -> Iterator[TaskEvent]:
    if not _goes_on(before["executors"], after["executors"]) or not _begins_with(
        after["system_logs"], before["system_logs"]
    ):
        yield TaskEvent("task", after)
        return
    old, new = _compared(before), _compared(after)
    names = [name for name in {**old, **new} if name not in _LISTS]
    changed = {
        name: after.get(name) for name in names if old.get(name) != new.get(name)
    }
    if changed:
        yield TaskEvent("change", changed)
    for index, executor in enumerate(after["executors"]):
        known = before["executors"][index] if index < len(before["executors"]) else {}
        yield from _executor_changes(index, known, executor)
    lines = after["system_logs"][len(before["system_logs"]) :]
    if lines:
        yield TaskEvent("system_logs", {"lines": lines})


def _executor_changes(index: int, before: View, after: View) -> Iterator[TaskEvent]:
    fields = {name: value for name, value in after.items() if name not in _STREAMS}
    if fields != {
        name: value for name, value in before.items() if name not in _STREAMS
    }:
        yield TaskEvent("executor", fields)
    more = {
        name: after.get(name, "")[len(before.get(name, "")) :]
        for name in _STREAMS
        if after.get(name, "") != before.get(name, "")
    }
    if more:
        yield TaskEvent("output", {"index": index, **more})


def _goes_on(before: Sequence[View], after: Sequence[View]) -> bool:
    """Tell whether executors only began, ended or printed more."""
    return len(before) <= len(after) and all(
        new.get(name, "").startswith(old.get(name, ""))
        for old, new in zip(before, after, strict=False)
        for name in _STREAMS
    )


def _begins_with(lines: Sequence[str], first: Sequence[str]) -> bool:
    return lines[: len(first)] == first


def _compared(view: View) -> dict[str, Any]:
    """Return a view without what nobody is told of.

    That is what changes only because time passes, and streams that are empty.
    """
    compared = dict(view)
    compared["executors"] = [
        {name: each[name] for name in each if each[name] or name not in _STREAMS}
        for each in view["executors"]
    ]
    if "wait" in compared:
        wait = compared["wait"]
        compared["wait"] = {name: wait[name] for name in wait if name != "spent"}
    return compared
