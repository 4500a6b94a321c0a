"""Tasks that run before the test that looks at them, a few at once.

All of a module's at once would be shorter on a large cluster. On a node of two
processors their pods would take those of all other tests beyond every limit.
"""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import pytest

T = TypeVar("T")


class Ahead(Generic[T]):
    """Starts what a test asks for, and what the next tests will ask for."""

    def __init__(
        self, names: Iterable[str], start: Callable[[str], T], *, ahead: int
    ) -> None:
        """Start nothing yet.

        Args:
            names: All, in the order in which they will be asked for.
            start: Starts the one of a name.
            ahead: How many are started before they are asked for.
        """
        self._names = list(names)
        self._start = start
        self._ahead = ahead
        self._started: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        """Return what was started for a name, and start the next."""
        first = self._names.index(name)
        for each in self._names[first : first + self._ahead + 1]:
            if each not in self._started:
                self._started[each] = self._start(each)
        return self._started[name]


def chosen_names(request: pytest.FixtureRequest) -> list[str]:
    """Return the ``name`` of each test of the module that was chosen, in order."""
    return list(
        dict.fromkeys(
            str(item.callspec.params["name"])
            for item in request.session.items
            if isinstance(item, pytest.Function)
            and item.path == request.path
            and hasattr(item, "callspec")
            and "name" in item.callspec.params
        )
    )
