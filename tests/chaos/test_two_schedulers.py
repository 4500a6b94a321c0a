"""Two schedulers under load, whose leader is killed, paused, cut off or replaced.

Whatever happens to the leader, the other goes on; nothing is lost and nothing runs
twice. Taskmasters and clients know both.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from os import kill
from pathlib import Path

import pytest
from sqlalchemy import make_url

from programs.chaos import LONG, LONG_LEASE, Chaos, end_all
from programs.ports import free_port
from programs.scheduler import Process
from programs.waiting import eventually
from servers.postgres import postgres_server
from servers.proxy import Proxy, tcp_proxy
from tesk_scheduler.adapters.store.store import SqlTaskStore

pytestmark = [pytest.mark.engine, pytest.mark.chaos, pytest.mark.timeout(3600)]

_TASKS = 12
_CLIENTS = 3


@dataclass(kw_only=True)
class Pair:
    """A leader that reaches its database through a proxy, and a follower."""

    leader: Process
    follower: Process
    proxy: Proxy
    store: SqlTaskStore
    chaos: Chaos

    def wait_for_next_leader(self, epoch: int) -> None:
        """Wait until another leads than in ``epoch``."""

        def next_leads() -> bool:
            known = self.store.leader()
            return known is not None and known.epoch > epoch

        eventually(next_leads, within=LONG, what="the next leader")

    def epoch(self) -> int:
        """Return the present one, once there is one."""
        return eventually(self.store.leader, within=LONG).epoch


@contextmanager
def pair(home: Path) -> Iterator[Pair]:
    """Run both on one database; the first leads."""
    ports = [free_port(), free_port()]
    targets = [f"127.0.0.1:{port}" for port in ports]
    both = f"ipv4:{','.join(targets)}"
    with ExitStack() as stack:
        url = stack.enter_context(postgres_server())
        server = make_url(url)
        proxy = stack.enter_context(tcp_proxy(port=server.port))
        through = server.set(host="127.0.0.1", port=proxy.port)
        urls = [through.render_as_string(hide_password=False), url]
        processes = [
            Process(
                home,
                address=target,
                reached_at=both,
                taskmaster="programs.steady_taskmaster",
                database=each,
                tasks_per_taskmaster="3",
                max_taskmasters="2",
                lease=LONG_LEASE,
            )
            for target, each in zip(targets, urls, strict=True)
        ]
        store = SqlTaskStore.open(url)
        stack.callback(store.close)
        for process in processes:
            stack.callback(end_all, process)
        leader, follower = processes
        leader.start()
        eventually(store.leader, within=LONG)
        follower.start()
        chaos = Chaos(process=follower, address=both, home=home, database=url)
        yield Pair(
            leader=leader, follower=follower, proxy=proxy, store=store, chaos=chaos
        )


@contextmanager
def load(it: Chaos) -> Iterator[None]:
    """Create tasks before, during and after the block; check all at the end."""
    clients = [
        threading.Thread(target=it.submit, args=[_TASKS], daemon=True)
        for _ in range(2 * _CLIENTS)
    ]
    for client in clients[:_CLIENTS]:
        client.start()
    eventually(it.runs, within=LONG, what="a task that begins")
    yield
    for client in clients[_CLIENTS:]:
        client.start()
    for client in clients:
        client.join(LONG)
        assert not client.is_alive()
    it.wait_for_the_end()
    it.check()


def test_the_leader_is_killed(tmp_path: Path) -> None:
    with pair(tmp_path) as two:
        epoch = two.epoch()
        with load(two.chaos):
            two.leader.end(signal.SIGKILL)
            two.wait_for_next_leader(epoch)


def test_the_leader_ends_in_good_order(tmp_path: Path) -> None:
    with pair(tmp_path) as two:
        epoch = two.epoch()
        with load(two.chaos):
            assert two.leader.end(signal.SIGTERM) == 0
            two.wait_for_next_leader(epoch)


def test_the_leader_is_paused_past_its_term_and_goes_on(tmp_path: Path) -> None:
    with pair(tmp_path) as two:
        epoch = two.epoch()
        with load(two.chaos):
            kill(two.leader.pid, signal.SIGSTOP)
            two.wait_for_next_leader(epoch)
            kill(two.leader.pid, signal.SIGCONT)
        assert two.epoch() == epoch + 1
        assert two.leader.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("outage", ["cut", "stall"])
def test_the_leader_is_cut_off_from_the_database(outage: str, tmp_path: Path) -> None:
    with pair(tmp_path) as two:
        epoch = two.epoch()
        with load(two.chaos):
            two.proxy.outage = "cut" if outage == "cut" else "stall"
            two.wait_for_next_leader(epoch)
            two.proxy.outage = ""
        assert two.epoch() == epoch + 1
        assert two.leader.end(signal.SIGTERM) == 0
