"""Tells what runs, what is held and who leads: what `drain` waits for."""

from collections.abc import Sequence
from dataclasses import dataclass

from tesk_scheduler.domain.dimensions import QUEUED, RUNNING
from tesk_scheduler.domain.holds import Hold
from tesk_scheduler.domain.leadership import Leadership
from tesk_scheduler.domain.quota import EVERYBODY, Usage
from tesk_scheduler.ports.store import TaskStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The state of the whole service.

    Attributes:
        unreleased: Attempts of which something may be left.
    """

    holds: Sequence[Hold]
    queued: int
    running: int
    unreleased: int
    taskmasters: int
    leader: Leadership | None


def read_overview(store: TaskStore) -> Overview:
    """Read it."""
    usage = store.usage_of_all().get(EVERYBODY, Usage())
    return Overview(
        holds=store.holds(),
        queued=int(usage[QUEUED]),
        running=int(usage[RUNNING]),
        unreleased=store.count_unreleased(),
        taskmasters=len(store.fleet()),
        leader=store.leader(),
    )
