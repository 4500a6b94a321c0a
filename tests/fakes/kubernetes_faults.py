"""Faults that tests inject into the fake API server."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from tesk_kubernetes.api import (
    ApiUnavailableError,
    ForbiddenError,
    KubernetesError,
    Resource,
)

T = TypeVar("T")


def no_right(verb: str, resource: Resource) -> ForbiddenError:
    """Return what RBAC says to a caller without a right."""
    name = resource.plural
    return ForbiddenError(
        f'{name} is forbidden: User "u" cannot {verb} resource "{name}"'
    )


@dataclass
class _Fault:
    verb: str
    resource: Resource
    error: KubernetesError
    left: int
    after: bool


@dataclass
class Faults:
    """What goes wrong, and which calls were made."""

    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    is_down: bool = False
    _faults: list[_Fault] = field(default_factory=list)
    _forbidden: set[tuple[str, str]] = field(default_factory=set)

    def fail_next(
        self,
        verb: str,
        resource: Resource,
        error: KubernetesError,
        *,
        times: int = 1,
        after: bool = False,
    ) -> None:
        """Let calls fail; ``after``: they are carried out and the answer is lost."""
        self._faults.append(_Fault(verb, resource, error, times, after))

    def forbid(self, verb: str, resource: Resource) -> None:
        """Take away a right, as RBAC does."""
        self._forbidden.add((verb, resource.plural))

    def call(self, verb: str, resource: Resource, act: Callable[[], T]) -> T:
        """Carry out a call, or let it fail as was set."""
        self.calls[verb, resource.plural] += 1
        if self.is_down:
            raise ApiUnavailableError("the API server does not answer")
        if (verb, resource.plural) in self._forbidden:
            raise no_right(verb, resource)
        fault = self._next(verb, resource)
        if fault is None:
            return act()
        if fault.after:
            act()
        raise fault.error

    def _next(self, verb: str, resource: Resource) -> _Fault | None:
        for fault in self._faults:
            if (fault.verb, fault.resource) == (verb, resource) and fault.left:
                fault.left -= 1
                return fault
        return None
