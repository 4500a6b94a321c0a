"""Observes taskmasters by store and launcher, for a fleet plan."""

import logging

from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.fleet_plan import (
    FleetMemory,
    Instance,
    Moment,
    ObservedFleet,
)
from tesk_scheduler.ports.launcher import LaunchError, TaskmasterLauncher
from tesk_scheduler.ports.store import TaskStore

_logger = logging.getLogger(__name__)


def observe_fleet(
    store: TaskStore,
    launcher: TaskmasterLauncher,
    now: Moment,
    *,
    memory: FleetMemory,
    failure: str,
) -> ObservedFleet:
    """Observe every taskmaster; the launcher is asked first, then the store."""
    try:
        alive, ended = set(launcher.alive()), launcher.ended()
    except LaunchError as error:
        _logger.warning("taskmasters are not known", extra={"cause": str(error)})
        return ObservedFleet(alive=None, memory=memory)
    members = store.fleet()
    return ObservedFleet(
        members=members,
        instances={
            member.id: _instance(launcher, member, now, is_alive=member.id in alive)
            for member in members
        },
        alive=alive,
        ended=ended,
        failure=failure,
        memory=memory,
    )


def _instance(
    launcher: TaskmasterLauncher, member: Taskmaster, now: Moment, *, is_alive: bool
) -> Instance:
    """Ask the launcher about a taskmaster that is absent or not alive."""
    if is_alive and not member.is_absent(now.time):
        return Instance(is_alive=True, may_act=True, message="")
    return Instance(
        is_alive=is_alive,
        may_act=is_alive or launcher.may_act(member.id),
        message=launcher.status_message(member.id),
    )
