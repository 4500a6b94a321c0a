"""Lets attempts read the inspection that another one has begun, instead of their own.

Many tasks of one image begin at once, before any of them knows what the image has:
one Job answers all. They rely on it for a limited time only: then one of them begins
another, on which the others rely. After one that has failed, as when it was canceled,
each inspects the image itself.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from tesk_taskmaster.adapters.kubernetes.control.attempt import AttemptSteps
from tesk_taskmaster.adapters.kubernetes.control.step import Step
from tesk_taskmaster.domain.step_names import inspection_step
from tesk_taskmaster.ports import Clock

_RELIED_ON = timedelta(minutes=1)

Key = tuple[str, tuple[str, ...]]
"""An image, and the directories that are inspected."""


@dataclass(slots=True, kw_only=True)
class SharedInspection:
    """An inspection that an attempt has begun.

    Attributes:
        until: When others stop relying on it.
        reading: Held by whoever reads its answer, for all.
    """

    owner: AttemptSteps
    index: int
    until: float
    reading: threading.Lock = field(default_factory=threading.Lock)
    _is_created: threading.Event = field(default_factory=threading.Event)

    def created(self) -> None:
        """Tell those who wait that its Job is there."""
        self._is_created.set()

    def step(self, timeout: timedelta) -> Step | None:
        """Return its step; None if its Job is not there within ``timeout``."""
        self._is_created.wait(timeout.total_seconds())
        return self.owner.steps.get(inspection_step(self.index))


@dataclass(slots=True, kw_only=True)
class SharedInspections:
    """Who inspects what; thread-safe."""

    clock: Clock
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _begun: dict[Key, SharedInspection] = field(default_factory=dict)

    @contextmanager
    def beginning(
        self, attempt: AttemptSteps, index: int, directories: Sequence[str]
    ) -> Iterator[bool]:
        """Give whether the attempt is to begin an inspection, which others share.

        False: another one has begun the same. If it cannot be begun, no other waits.
        """
        key, now = key_of(attempt, index, directories), self.clock.monotonic()
        own = SharedInspection(
            owner=attempt, index=index, until=now + _RELIED_ON.total_seconds()
        )
        with self._lock:
            for old in [each for each, at in self._begun.items() if at.until < now]:
                del self._begun[old]
            is_first = self._begun.setdefault(key, own) is own
        try:
            yield is_first
        except BaseException:
            self.give_up(key, own)
            raise
        own.created()

    def of_another(
        self, attempt: AttemptSteps, index: int, directories: Sequence[str]
    ) -> SharedInspection | None:
        """Return the same inspection by another attempt; None if there is none."""
        with self._lock:
            found = self._begun.get(key_of(attempt, index, directories))
        if found is None or found.owner is attempt:
            return None
        return found if self.clock.monotonic() < found.until else None

    def give_up(self, key: Key, inspection: SharedInspection) -> None:
        """Let nobody rely on an inspection any more."""
        with self._lock:
            if self._begun.get(key) is inspection:
                del self._begun[key]

    def leave(self, owner: AttemptSteps) -> None:
        """Let nobody rely on an attempt that ends."""
        with self._lock:
            for key in [each for each, at in self._begun.items() if at.owner is owner]:
                del self._begun[key]


def key_of(attempt: AttemptSteps, index: int, directories: Sequence[str]) -> Key:
    """Return what is inspected for an executor."""
    return attempt.plan.executors[index].executor.image, tuple(directories)
