"""What looks at storages, beside the services of one machine, which do without it."""

import os
import signal
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from programs.small_services import SmallServer
from programs.stack import find_processes
from programs.waiting import eventually
from tesk_cli.domain.restarts import RestartPolicy
from tesk_cli.serve.supervisor import Supervisor


@pytest.fixture
def server(tmp_path: Path) -> SmallServer:
    return SmallServer(tmp_path)


def living(server: SmallServer) -> list[int]:
    return find_processes("tesk_filer", server.home)


def kill(server: SmallServer) -> None:
    eventually(lambda: bool(living(server)), what="storage checks")
    killed = living(server)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    # Or the next look takes one of them for the one that comes after it.
    eventually(lambda: not set(killed) & set(living(server)), what="their end")


def start(server: SmallServer, lines: list[str]) -> Supervisor:
    supervisor = server.supervisor()
    supervisor.checks_storages = True
    supervisor.report = lines.append
    supervisor.policy = RestartPolicy(
        max_crashes=1, initial_delay=timedelta(), window=timedelta(hours=1)
    )
    supervisor.start(threading.Event())
    return supervisor


def test_it_is_started_again_and_then_done_without(server: SmallServer) -> None:
    lines: list[str] = []
    supervisor = start(server, lines)
    try:
        kill(server)

        def is_told(word: str) -> bool:
            supervisor.check_services()
            return any(word in line for line in lines)

        def runs_again() -> bool:
            supervisor.check_services()
            return bool(living(server))

        eventually(lambda: is_told("started again"), what="a restart")
        eventually(runs_again, what="a restart")
        kill(server)
        eventually(lambda: is_told("again and again"), what="giving up")

        supervisor.check_services()
        assert "do not look at storages any more" in lines[-1]
        assert server.answers()
    finally:
        supervisor.stop()
    assert living(server) == []


def test_it_ends_with_the_server(server: SmallServer) -> None:
    supervisor = start(server, [])
    eventually(lambda: bool(living(server)), what="storage checks")

    supervisor.stop()

    assert living(server) == []
