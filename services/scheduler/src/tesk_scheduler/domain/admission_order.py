"""Gives the heads of all queues in the order in which they are looked at.

1. Heads that fit into what is guaranteed to their owners.
2. Heads that are overdue, the one that has waited longest first.
3. All others, by cost: first between parties, then within the party.

Each party has a heap of its queues, and the parties are in a heap. An admission
raises the cost of its own party only, so that no other entry gets out of date
and a round costs O(log owners) for each task.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from tesk_scheduler.domain.fair_share import Cost, Costs
from tesk_scheduler.domain.queues import OwnerQueue, QueuedTask
from tesk_scheduler.domain.quota import Subject


class Urgency(NamedTuple):
    """What comes before costs; the smallest comes first.

    Attributes:
        borrows: The task does not fit into what is guaranteed to its owner.
        is_waiting: It is not overdue.
        since: Since when it is overdue or, if it is not, always the same time.
    """

    borrows: bool
    is_waiting: bool
    since: datetime


class _Entry(NamedTuple):
    """A queue in its party; compared up to ``owner``, which is unique."""

    urgency: Urgency
    cost: Cost
    owner: str
    queue: OwnerQueue


@dataclass(slots=True)
class _Party:
    """The queues of one party; ``version`` counts its changes."""

    entries: list[_Entry] = field(default_factory=list)
    version: int = 0


class _PartyEntry(NamedTuple):
    """A party in the order; compared up to ``party``."""

    urgency: Urgency
    cost: Cost
    party: Subject
    version: int


class AdmissionOrder:
    """The queues whose heads are still to be looked at."""

    def __init__(
        self, costs: Costs, urgency: Callable[[OwnerQueue, QueuedTask], Urgency]
    ) -> None:
        """Begin without queues.

        Args:
            costs: Of tasks.
            urgency: Of a queue's head; it may only fall while tasks are admitted.
        """
        self._costs = costs
        self._urgency = urgency
        self._parties: dict[Subject, _Party] = {}
        self._heap: list[_PartyEntry] = []
        self._changed: set[Subject] = set()

    def push(self, queue: OwnerQueue) -> None:
        """Add a queue, unless it has no head."""
        head = queue.head
        if head is None:
            return
        subject = self._costs.party_of(head)
        party = self._parties.setdefault(subject, _Party())
        heapq.heappush(party.entries, self._entry(queue, head))
        self._changed.add(subject)

    def pop(self) -> OwnerQueue | None:
        """Remove the queue that is next; None if there is none.

        Its party is compared anew at the next call, when what was admitted of it
        is counted.
        """
        for subject in sorted(self._changed):
            self._push_party(subject, self._parties[subject])
        self._changed.clear()
        while self._heap:
            found = heapq.heappop(self._heap)
            party = self._parties[found.party]
            if found.version == party.version:
                self._changed.add(found.party)
                return heapq.heappop(party.entries).queue
        return None

    def remove(self, is_removed: Callable[[OwnerQueue], bool]) -> list[OwnerQueue]:
        """Remove the queues of which ``is_removed`` says so, and return them."""
        removed = []
        for subject, party in self._parties.items():
            kept = []
            for entry in party.entries:
                if is_removed(entry.queue):
                    removed.append(entry.queue)
                else:
                    kept.append(entry)
            if len(kept) < len(party.entries):
                heapq.heapify(kept)
                party.entries = kept
                self._changed.add(subject)
        return removed

    def _entry(self, queue: OwnerQueue, head: QueuedTask) -> _Entry:
        cost = self._costs.owner_cost(head)
        return _Entry(self._urgency(queue, head), cost, queue.owner, queue)

    def _push_party(self, subject: Subject, party: _Party) -> None:
        """Enter a party anew, with the first of its queues."""
        party.version += 1
        first = self._first(party)
        if first is None:
            return
        entry, head = first
        cost = self._costs.party_cost(head)
        heapq.heappush(
            self._heap, _PartyEntry(entry.urgency, cost, subject, party.version)
        )

    def _first(self, party: _Party) -> tuple[_Entry, QueuedTask] | None:
        """Return the first queue of a party, once what others used up is counted."""
        entries = party.entries
        while entries:
            entry = entries[0]
            head = entry.queue.head
            if head is None:
                heapq.heappop(entries)
                continue
            present = self._entry(entry.queue, head)
            if present <= entry:
                return entry, head
            heapq.heapreplace(entries, present)
        return None
