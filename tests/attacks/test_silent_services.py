"""Services of one machine that run, but do not answer."""

import os
import signal
import threading
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from clients.tes import TesClient
from programs.ports import free_port
from programs.stack import find_processes
from programs.waiting import eventually
from tesk_cli.domain.health import HealthPolicy
from tesk_cli.serve.plan import ServerPlan
from tesk_cli.serve.supervisor import Supervisor

QUICK = HealthPolicy(
    interval=timedelta(seconds=0.2), timeout=timedelta(seconds=2), failures=2
)


@pytest.mark.parametrize("name", ["api", "scheduler"])
def test_a_stopped_service_is_replaced_and_tasks_are_kept(
    tmp_path: Path, name: str
) -> None:
    reports: list[str] = []
    supervisor = Supervisor(
        plan=ServerPlan(
            host="127.0.0.1",
            port=free_port(),
            home=tmp_path / "home",
            engine="sandbox",
            file_roots=(tmp_path,),
            environ=os.environ,
        ),
        probe_containers=lambda: "",
        report=reports.append,
        health=QUICK,
    )
    supervisor.start(threading.Event())
    try:
        watch = supervisor.health_monitor
        assert watch is not None
        client = TesClient(supervisor.url)
        task_id = client.create({"executors": [{"image": "x", "command": ["true"]}]})
        eventually(lambda: watch.health(name).answered)
        (first,) = find_processes(f"tesk_{name}", tmp_path / "home")
        os.kill(first, signal.SIGSTOP)

        def serves_again() -> bool:
            supervisor.check_services()
            if find_processes(f"tesk_{name}", tmp_path / "home") == [first]:
                return False
            try:
                return httpx.get(f"{supervisor.url}/readyz", timeout=5).is_success
            except httpx.TransportError:
                return False

        eventually(serves_again, what="a service that answers")
        assert f"the {name} runs, but does not answer; it is stopped" in reports
        assert client.wait_for(task_id, "COMPLETE")
        client.client.close()
    finally:
        supervisor.stop()
        for pid in find_processes("", tmp_path / "home"):
            os.kill(pid, signal.SIGKILL)
