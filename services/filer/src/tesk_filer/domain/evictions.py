"""Chooses which files leave a full cache."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Kept(NamedTuple):
    """A file in the cache: its size in bytes, and when it was used last."""

    name: str
    size: int
    used_at: int


def choose_evictions(kept: Iterable[Kept], *, room: int) -> Sequence[Kept] | None:
    """Return which files must go so that the rest has at most ``room`` bytes.

    Those go first that were used the longest ago.

    Returns:
        None if there is no room even when all are gone.
    """
    if room < 0:
        return None
    by_age = sorted(kept, key=lambda each: each.used_at)
    total = sum(each.size for each in by_age)
    evicted: list[Kept] = []
    for each in by_age:
        if total <= room:
            break
        total -= each.size
        evicted.append(each)
    return evicted
