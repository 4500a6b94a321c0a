"""Lists taskmasters, and drains one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from tesk_model.errors import NotFoundError
from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.occurrences import OperatorActed
from tesk_scheduler.domain.taskmaster_states import TaskmasterState, state_of_taskmaster
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.launcher import LaunchError, TaskmasterLauncher
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.admin.checks import check_operator
from tesk_scheduler.usecases.notifier import Notifier


class ListedTaskmaster(NamedTuple):
    """One taskmaster; ``member`` is None if only the launcher knows it."""

    id: str
    state: TaskmasterState
    member: Taskmaster | None = None
    message: str = ""


class TaskmasterList(NamedTuple):
    """All of them; ``problem``: why it is not known which are alive."""

    taskmasters: Sequence[ListedTaskmaster]
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taskmasters:
    """What operators see of taskmasters, and do with them."""

    store: TaskStore
    launcher: TaskmasterLauncher
    clock: Clock
    notifier: Notifier

    def list(self) -> TaskmasterList:
        """List all; the launcher is asked first, so that none is taken for unknown."""
        alive, problem = self._alive()
        members = self.store.fleet()
        known = {member.id for member in members}
        listed = [self._describe(member, alive) for member in members]
        unknown = sorted(set(alive or ()) - known)
        listed += [ListedTaskmaster(each, TaskmasterState.UNKNOWN) for each in unknown]
        return TaskmasterList(listed, problem)

    def drain(
        self, operator: str, taskmaster_id: str, *, dry_run: bool
    ) -> ListedTaskmaster:
        """Let a taskmaster get no more attempts; it exits when it has none.

        Raises:
            NotFoundError: There is no such taskmaster.
        """
        check_operator(operator)
        if dry_run:
            member = _found(self.store.taskmaster(taskmaster_id), taskmaster_id)
            return self._describe(member, self._alive()[0])

        def drain(tx: Transaction) -> Taskmaster:
            member = _found(tx.taskmaster(taskmaster_id), taskmaster_id)
            tx.drain_taskmaster(taskmaster_id)
            tx.announce(
                OperatorActed(
                    operator=operator, action="taskmasters drain", target=taskmaster_id
                )
            )
            return replace(member, draining=True)

        member = self.store.write(drain)
        self.notifier.taskmasters.notify([taskmaster_id])
        self.notifier.leader.notify(urgent=True)
        return self._describe(member, self._alive()[0])

    def _alive(self) -> tuple[Collection[str] | None, str]:
        try:
            return self.launcher.alive(), ""
        except LaunchError as error:
            return None, str(error)

    def _describe(
        self, member: Taskmaster, alive: Collection[str] | None
    ) -> ListedTaskmaster:
        state = state_of_taskmaster(
            member,
            is_alive=None if alive is None else member.id in alive,
            revision=self.launcher.revision(),
            now=self.clock.now(),
        )
        message = ""
        if state in (TaskmasterState.STARTING, TaskmasterState.ABSENT):
            message = self.launcher.status_message(member.id)
        return ListedTaskmaster(member.id, state, member, message)


def _found(member: Taskmaster | None, taskmaster_id: str) -> Taskmaster:
    if member is None:
        raise NotFoundError(f"no taskmaster {taskmaster_id}")
    return member
