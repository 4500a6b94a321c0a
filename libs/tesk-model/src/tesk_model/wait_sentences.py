"""Says for people what a task waits for, beside its reason."""

from collections.abc import Iterator
from datetime import datetime

from tesk_model.progress import format_seconds
from tesk_model.task import Wait, WaitTime


def wait_sentences(wait: Wait) -> Iterator[str]:
    """Yield what must happen, the place in the queue, and where the time went."""
    if wait.remedy:
        yield f"it {wait.remedy}"
    place = place_sentence(wait)
    if place:
        yield place
    if wait.head:
        since = _since(wait.head.since)
        reason = wait.head.reason or "waits for admission"
        yield f"the first of them is {wait.head.id}: {reason}{since}"
    for nodes in wait.nodes:
        yield f"{nodes.nodes} node{'' if nodes.nodes == 1 else 's'}: {nodes.cause}"
    if wait.since:
        yield f"it has waited for this{_since(wait.since)}"
    spent = [each for each in wait.spent if each.seconds >= 1]
    if spent:
        total = sum(each.seconds for each in spent)
        parts = ", ".join(map(_spent, spent))
        yield f"queued for {format_seconds(total)} so far: {parts}"


def place_sentence(wait: Wait) -> str:
    """Return where a task stands in the queue; "" if it was not counted."""
    if wait.position is None:
        return ""
    least = " or later" if wait.position_is_least else ""
    text = f"it is number {wait.position}{least} of its owner's queued tasks"
    if wait.place is None:
        return text
    return f"{text}, and about number {wait.place} of all: an estimate"


def _since(time: datetime | None) -> str:
    return f" since {time:%Y-%m-%d %H:%M:%S} UTC" if time else ""


def _spent(spent: WaitTime) -> str:
    what = spent.reason or spent.reason_code
    return f"{format_seconds(spent.seconds)} ({what})"
