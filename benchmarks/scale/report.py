"""Tables about many tasks: by the number of finished ones, and of single figures."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from docker.errors import DockerException
from sqlalchemy import create_engine, func, select

from programs.waiting import eventually
from scale.filling import fill_finished
from scale.measures import burst, cells_of, fill_queue, post, throughput
from scale.stack import ScaleStack, running, scale_stack
from servers.postgres import postgres_server
from tesk_scheduler.adapters.store.schema import LEADER, TASK

Row = tuple[str, ...]
Table = Callable[[str, Row, Iterator[Row]], str]
SINGLE = ("work", "result", "target")
_MICROS = 1_000_000
# Seconds after a start until the 1,000 attempts that run have been taken over, and what
# their taskmasters had to report has been told.
_SETTLED = 20


def tables(table: Table, *, quick: bool) -> Iterator[str]:
    """Measure on both databases, and give each table."""
    sizes = (1_000, 10_000) if quick else (10_000, 100_000, 1_000_000)
    for name, database in (("SQLite", nullcontext("")), ("PostgreSQL", _server())):
        try:
            with database as url, scale_stack(url) as stack:
                header = ("with finished tasks", *(f"{each:,}" for each in sizes))
                grown = _grown(stack, sizes, quick=quick)
                yield table(
                    f"Many tasks on {name}, by those that finished", header, grown
                )
                single = _single(stack, quick=quick)
                yield table(f"Many tasks on {name}", SINGLE, single)
        except DockerException as error:
            print(f"\nMany tasks on {name} are left out: {error}", flush=True)


@contextmanager
def _server() -> Iterator[str]:
    with postgres_server() as url:
        yield url


def _grown(stack: ScaleStack, sizes: tuple[int, ...], *, quick: bool) -> Iterator[Row]:
    """Measure the same at growing numbers of finished tasks."""
    rows: dict[str, list[str]] = {}
    with running(stack) as taskmasters:
        both = burst(stack, taskmasters, 1_000 if quick else 10_000)
    stack.bursts = both
    with running(stack):
        fill_queue(stack, 5_000 if quick else 100_000, 1_000)
    filled = 0
    for size in sizes:
        fill_finished(stack.database, size - filled)
        filled = size
        with running(stack) as taskmasters:
            _settle(quick=quick)
            for name, cell in cells_of(stack, taskmasters, 10 if quick else 30):
                rows.setdefault(name, []).append(cell)
                print(f"{size:,} finished: {name}: {cell}", file=sys.stderr, flush=True)
    for name, cells in rows.items():
        yield (name, *cells)


def _settle(*, quick: bool) -> None:
    time.sleep(3 if quick else _SETTLED)


def _single(stack: ScaleStack, *, quick: bool) -> Iterator[Row]:
    alone, during = stack.bursts
    yield ("wait of another owner's task, at most", f"{alone:.2f} s", "")
    yield ("the same beside a burst of creations", f"{during:.2f} s", "≤ 1 s more")
    with running(stack) as taskmasters:
        fill_queue(stack, 10_000, 0)
        began, rounds = throughput(stack, taskmasters, 5 if quick else 15)
        yield ("tasks that begin and end at once", f"{began:.0f}/s", "")
        text = f"{rounds.admitted_per_second:,.0f}/s in {rounds.mean_ms:.0f} ms each"
        yield ("admitted, in the time of rounds", text, "≥ 500/s, < 200 ms")
    yield from _leaders(stack)
    yield _retention(stack, 20_000 if quick else 80_000, quick=quick)


def _retention(stack: ScaleStack, count: int, *, quick: bool) -> Row:
    """Measure creations while some of so many expired tasks are deleted.

    Deletion begins with the scheduler, and ``count`` of them take longer than a start.
    """
    fill_finished(stack.database, count, expired=count)
    with running(stack):
        _settle(quick=quick)
        before, began = _expired(stack), time.monotonic()
        load = post(stack, 10)
        left, took = _expired(stack), time.monotonic() - began
    assert left, "retention was over before creations were measured"
    text = f"{(before - left) / took:,.0f} deleted/s; POST p99 {load.percentile(99):.0f} ms"
    return ("retention", text, "POST p99 < 100 ms")


def _expired(stack: ScaleStack) -> int:
    before = (time.time() - 30 * 86_400) * _MICROS
    return int(_value(stack, select(func.count()).where(TASK.c.ended < before)))


def _value(stack: ScaleStack, statement: Any) -> Any:
    engine = create_engine(stack.database)
    with engine.connect() as connection:
        value = connection.scalar(statement)
    engine.dispose()
    return value


def _leaders(stack: ScaleStack) -> Iterator[Row]:
    """Replace the leader; SQLite has one scheduler, which is restarted."""
    kinds = {
        "the leader is killed": (signal.SIGKILL, "< 10 s"),
        "the leader ends in good order": (signal.SIGTERM, "< 1 s"),
    }
    if stack.database.startswith("sqlite"):
        return
    for name, (number, target) in kinds.items():
        before = _epoch(stack)
        with running(stack):
            # Not before the first leads, or it is the second that will.
            _await_leader(stack, before)
            second = stack.start_second()
            time.sleep(5)
            seconds = _next_leader(stack, number)
            second.kill()
            second.wait()
        yield (f"{name}: time until another leads", f"{seconds:.2f} s", target)


def _next_leader(stack: ScaleStack, number: signal.Signals) -> float:
    epoch = _epoch(stack)
    began = time.monotonic()
    stack.send_signal("scheduler", number)
    _await_leader(stack, epoch)
    return time.monotonic() - began


def _epoch(stack: ScaleStack) -> int:
    return int(_value(stack, select(LEADER.c.epoch)) or 0)


def _await_leader(stack: ScaleStack, epoch: int) -> None:
    eventually(lambda: _epoch(stack) > epoch, every=0.02, what="another leader")
