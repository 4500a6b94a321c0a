"""Who follows tasks hears of every change once and in order, whatever is killed."""

from itertools import pairwise
from pathlib import Path

from programs.event_streams import EventStream
from programs.stack import Stack, running_stack
from tesk_model.states import TaskState, can_follow

Heard = dict[str, list[TaskState]]


def task(command: str) -> dict[str, object]:
    return {"executors": [{"image": "busybox", "command": ["sh", "-c", command]}]}


def hear(events: EventStream, heard: Heard, until: TaskState, task_id: str) -> str:
    """Collect changes up to one of a task; return the id of the last."""
    while until not in heard.get(task_id, []):
        name, data = events.next()
        assert name == "change"
        heard.setdefault(data["id"], []).append(TaskState(data["state"]))
    return events.ids[-1]


def follow(stack: Stack, known: str = "") -> EventStream:
    return EventStream(stack.port, "/tesk/v1/events", {"Last-Event-ID": known})


def test_every_change_is_heard_once_through_kills(tmp_path: Path) -> None:
    heard: Heard = {}
    with running_stack(tmp_path) as stack:
        events = follow(stack)
        first = stack.create(task("true"))
        hear(events, heard, TaskState.COMPLETE, first)
        second = stack.create(task("true"))
        stack.kill("scheduler")
        stack.start("scheduler")
        hear(events, heard, TaskState.COMPLETE, second)
        third = stack.create(task("sleep 3"))
        known = hear(events, heard, TaskState.RUNNING, third)
        events.close()
        stack.kill("api")
        stack.start("api")

        again = follow(stack, known)
        fourth = stack.create(task("true"))
        for task_id in (third, fourth):
            hear(again, heard, TaskState.COMPLETE, task_id)
        again.close()

    assert set(heard) == {first, second, third, fourth}
    for states in heard.values():
        assert states[0] is TaskState.QUEUED
        assert len(set(states)) == len(states)
        assert all(can_follow(before, after) for before, after in pairwise(states))
