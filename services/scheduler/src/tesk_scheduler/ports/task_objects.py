"""Defines what verification sees of the objects of attempts in a cluster."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from tesk_model.names import Attempt


class TaskObject(NamedTuple):
    """An object that belongs to an attempt.

    Attributes:
        kind: In Kubernetes' words: ``Job``, ``PersistentVolumeClaim``.
        uid: Of this very object; one of the same name that is made later has another.
    """

    attempt: Attempt
    kind: str
    namespace: str
    name: str
    uid: str


class ClusterReadError(Exception):
    """Objects cannot be listed or removed; the message is for people."""


class TaskObjects(Protocol):
    """Lists and removes objects of attempts."""

    def list(self) -> Iterable[TaskObject]:
        """List the objects of all attempts.

        Raises:
            ClusterReadError: See there.
        """

    def remove(self, found: TaskObject) -> None:
        """Remove an object, and what its attempt still has; no-op if it is gone.

        Raises:
            ClusterReadError: See there.
        """


class NoTaskObjects:
    """Has none: tasks do not run in a cluster."""

    def list(self) -> Iterable[TaskObject]:
        """List nothing."""
        return ()

    def remove(self, found: TaskObject) -> None:
        """Do nothing."""
