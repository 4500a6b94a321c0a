"""Chooses which files leave a full cache."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Kept(NamedTuple):
    """A file in the cache: its size in bytes, and when it was used last."""

    name: str
    size: int
    used_at: int


def choose_evictions(kept: Iterable[Kept], *, wanted: int) -> Sequence[Kept] | None:
    """Return which files must go so that at least ``wanted`` bytes do.

    Those go first that were used the longest ago.

    Returns:
        None if all of them have fewer.
    """
    evicted: list[Kept] = []
    for each in sorted(kept, key=lambda each: each.used_at):
        if wanted <= 0:
            break
        wanted -= each.size
        evicted.append(each)
    return evicted if wanted <= 0 else None
