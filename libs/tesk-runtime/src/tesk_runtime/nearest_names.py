"""Finds the known name that an unknown one is probably a slip of."""

from collections.abc import Iterable
from difflib import get_close_matches

_LIKENESS = 0.75  # of 1; "pasword" and "password" have 0.93


def nearest_name(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most like ``name``; "" if none is.

    Case and ``_`` are no difference: ``perTask`` is ``per_task``.
    """
    plain = {_plain(each): each for each in known}
    found = get_close_matches(_plain(name), plain, n=1, cutoff=_LIKENESS)
    return plain[found[0]] if found else ""


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
