"""Measure TESK on this machine and print the tables of docs/benchmarks.md.

Usage: ``python benchmarks/run.py [--quick] [--only PART] [--runs N] [--write]``.
Transfers take most of an hour, or a few minutes if they are ``--quick``.
What is for a cluster runs if ``KUBECONFIG`` answers; it needs kubectl, helm, and
the images of TESK in the cluster. CPU time per request and ratios within one run
mean more than absolute times: machines are noisy.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import bodies
import cluster_layouts
import cluster_tasks
import containers
import filer_start
import listeners
import many_tasks
import page_times
import runtime
import transfers
import waves
from cluster_bench import Bench, measured_cluster, why_not
from load import Request, run_load
from processes import cpu_seconds, memory_mib
from programs.stack import Stack
from scale import report
from server import (
    BASE,
    block,
    body_of_size,
    fill,
    get,
    listing,
    measured_server,
    services,
)
from tesk_taskmaster.adapters.container.discovery import engine_problem

Row = tuple[str, ...]
Measure = tuple[Row, Callable[[Bench], Iterator[Row]]]
BUILT_LAUNCHER = Path(__file__).resolve().parent.parent / "build" / "launcher"
RESULTS = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"


def table(title: str, header: Row, rows: Iterator[Row]) -> str:
    """Print a Markdown table as it grows, and return it."""
    lines = [f"\n## {title}\n", _row(header), _row(("---",) * len(header))]
    print("\n".join(lines), flush=True)
    for row in rows:
        lines.append(_row(row))
        print(lines[-1], flush=True)
    return "\n".join(lines) + "\n"


def _row(cells: Row) -> str:
    return "| " + " | ".join(cells) + " |"


def requests(stack: Stack, *, quick: bool) -> Iterator[Row]:
    """POST and GET at 1, 8 and 32 connections."""
    body = body_of_size(1200)
    known = get(stack, BASE)["tasks"]
    assert isinstance(known, list)
    task_id = known[0]["id"]
    kinds = {
        "POST 1.2 KB": Request("POST", BASE, body),
        "GET MINIMAL": Request("GET", f"{BASE}/{task_id}"),
        "GET FULL": Request("GET", f"{BASE}/{task_id}?view=FULL"),
    }
    for name, request in kinds.items():
        for connections in (1, 8, 32):
            count = (300 if quick else 1500) * (1 if connections == 1 else 3)
            run_load(
                stack.port,
                request,
                connections=connections,
                requests=count // 10,
            )
            pids = [pid for part in services(stack).values() for pid in part]
            before = cpu_seconds(pids)
            load = run_load(
                stack.port,
                request,
                connections=connections,
                requests=count,
            )
            used = cpu_seconds(pids) - before
            assert not load.failures, f"{name}: {load.failures} failures"
            yield (
                name,
                str(connections),
                f"{load.per_second:,.0f}",
                f"{load.percentile(50):.2f}",
                f"{load.percentile(99):.2f}",
                f"{used / count * 1000:.2f}",
            )


QUERIES = {
    "page of 256, MINIMAL": "page_size=256",
    "page of 256, BASIC": "page_size=256&view=BASIC",
    "page of 256, FULL": "page_size=256&view=FULL",
    "state=CANCELED": "page_size=256&state=CANCELED",
    "tag of 10 tasks": "page_size=256&tag_key=ten&tag_value=yes",
    "tag of 10 tasks, any value": "page_size=256&tag_key=ten",
    "tag of all tasks": "page_size=256&tag_key=run&tag_value=r1",
    "name_prefix of 1 %": "page_size=256&name_prefix=rare-",
}


VIEWS = ("MINIMAL", "BASIC", "FULL")


def reads(task_id: str) -> dict[str, Request]:
    """Return the requests that are measured at each number of tasks."""
    single = {
        f"one task, {view}": Request("GET", f"{BASE}/{task_id}?view={view}")
        for view in VIEWS
    }
    return single | {name: listing(query) for name, query in QUERIES.items()}


def lists(stack: Stack, *, quick: bool) -> Iterator[Row]:
    """Single tasks and lists by view and filter at growing numbers of tasks."""
    sizes = (1_000, 10_000) if quick else (1_000, 10_000, 100_000)
    cells: dict[str, list[str]] = {}
    filled = 0
    for size in sizes:
        ids = fill(stack, size - filled, filled)
        filled = size
        for task_id in ids[: min(300, size // 10)]:
            stack.cancel(task_id)
        for name, request in reads(ids[0]).items():
            run_load(stack.port, request, connections=1, requests=3)
            load = run_load(stack.port, request, connections=1, requests=20)
            cells.setdefault(name, []).append(f"{load.percentile(50):.1f}")
        walked = f"{walk(stack) * 1000:,.0f}"
        cells.setdefault("walk of all pages", []).append(walked)
    for name, values in cells.items():
        yield (name, *values, *("-" for _ in range(3 - len(values))))


def walk(stack: Stack) -> float:
    """Return the seconds that reading all pages (MINIMAL, 2047 each) takes."""
    started = time.perf_counter()
    token = ""
    while True:
        page = get(stack, f"{BASE}?page_size=2047&page_token={token}")
        token = str(page.get("next_page_token", ""))
        if not token:
            return time.perf_counter() - started


def memory(stack: Stack, when: str) -> Row:
    """Return one row of memory by service, in MiB."""
    parts = services(stack)
    return (when, *(f"{memory_mib(pids):.0f}" for pids in parts.values()))


WHOLE = ("machine", "transfers", "cluster")
# Pages are a part of the machine, layouts of the cluster, and thousands of tasks take long.
PARTS = (*WHOLE, "listeners", "pages", "layouts", "nodes", "scale")


def on_listeners(*, quick: bool) -> Iterator[str]:
    """Measure what it costs to tell of tasks, and how soon."""
    yield table("Listeners", listeners.HEADER, listeners.rows(quick=quick))


def on_machine(*, quick: bool) -> Iterator[str]:
    """Measure on this machine, and give each table."""
    memory_rows: list[Row] = []
    with measured_server() as stack:
        memory_rows.append(memory(stack, "idle, nothing run yet"))
        rows = runtime.rows(stack, quick=quick)
        yield table("Tasks on one machine", ("work", "result", "target"), rows)
        memory_rows.append(memory(stack, "after these tasks"))
    if not engine_problem(os.environ, BUILT_LAUNCHER):
        with measured_server(engine="container") as stack:
            beside = containers.rows(stack, quick=quick)
            yield table("Containers on one machine", containers.HEADER, beside)
    header: Row
    with measured_server() as stack:
        block(stack)
        header = ("request", "connections", "per s", "p50 ms", "p99 ms", "CPU ms each")
        yield table("Requests", header, requests(stack, quick=quick))
        memory_rows.append(memory(stack, "after the requests"))
    with measured_server() as stack:
        block(stack)
        header = ("GET, ms (p50)", "1,000 tasks", "10,000", "100,000")
        yield table("Reads, by number of tasks", header, lists(stack, quick=quick))
        memory_rows.append(memory(stack, "after the lists"))
    yield from on_pages(quick=quick)
    yield from on_listeners(quick=quick)
    header = ("one file by", "CPU s", "target")
    yield table("Start of a filer", header, filer_start.rows(quick=quick))
    header = ("body of 16 MiB", "answer", "CPU s", "memory, MiB", "times its length")
    yield table("Dear bodies", header, bodies.rows())
    header = ("memory, MiB (PSS)", "api", "scheduler", "taskmasters")
    yield table("Memory", header, iter(memory_rows))


def on_pages(*, quick: bool) -> Iterator[str]:
    """Measure the pages of the browser."""
    with measured_server() as stack:
        block(stack)
        rows = page_times.rows(stack, quick=quick)
        yield table("Pages, by number of tasks", page_times.HEADER, rows)


def on_cluster(measured: Mapping[str, Measure], *, quick: bool) -> Iterator[str]:
    """Measure on the cluster of KUBECONFIG, if there is one, and give each table."""
    problem = why_not()
    if problem:
        print(f"\nTasks on a cluster are left out: {problem}", flush=True)
        return
    with measured_cluster(quick=quick) as bench:
        for title, (header, rows) in measured.items():
            yield table(title, header, rows(bench))


def on_nodes(
    *, quick: bool, counts: Sequence[int], layouts: Sequence[str]
) -> Iterator[str]:
    """Measure many tasks on simulated nodes of the cluster, and give each table."""
    problem = why_not()
    if problem:
        print(f"\nTasks on simulated nodes are left out: {problem}", flush=True)
        return
    measured: list[waves.Wave] = []

    def rows() -> Iterator[Row]:
        wanted = counts or ((200,) if quick else (200, 1_000, 5_000))
        for wave in many_tasks.waves(wanted, layouts or many_tasks.layouts()):
            measured.append(wave)
            yield waves.costs(wave)

    yield table("Many tasks on simulated nodes", waves.COSTS, rows())
    yield table(
        "Requests of many tasks on simulated nodes",
        waves.REQUESTS,
        map(waves.requests, measured),
    )


def write(tables: list[str]) -> None:
    """Put tables into the documentation; those not measured stay as they are."""
    head, *sections = RESULTS.read_text().split("\n## ")
    known = dict(section.split("\n", 1) for section in sections)
    new = dict(each.removeprefix("\n## ").split("\n", 1) for each in tables)
    text = "".join(
        f"\n## {title}\n{body.rstrip()}\n" for title, body in (known | new).items()
    )
    RESULTS.write_text(head.rstrip() + "\n" + text)


def main() -> None:
    """Run everything; with ``--write`` put the tables into the documentation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and smaller runs")
    parser.add_argument("--only", choices=PARTS, help="one part instead of all")
    parser.add_argument(
        "--runs", type=int, default=3, help="transfers of which a median is taken"
    )
    parser.add_argument(
        "--tasks", type=int, nargs="+", default=(), help="at once, on simulated nodes"
    )
    parser.add_argument(
        "--layouts", nargs="+", default=(), help="of those tasks: jobs, pod, trivial"
    )
    parser.add_argument(
        "--schemes", nargs="+", default=(), help="of transfers, by name; all by default"
    )
    parser.add_argument(
        "--latencies", type=int, nargs="+", default=(), help="of transfers, in ms"
    )
    parser.add_argument(
        "--write", action="store_true", help="update docs/benchmarks.md"
    )
    options = parser.parse_args()
    measures: dict[str, Callable[[], Iterator[str]]] = {
        "machine": partial(on_machine, quick=options.quick),
        "pages": partial(on_pages, quick=options.quick),
        "listeners": partial(on_listeners, quick=options.quick),
        "transfers": partial(
            transfers.tables,
            table,
            quick=options.quick,
            runs=options.runs,
            schemes=options.schemes,
            latencies=options.latencies,
        ),
        "cluster": partial(
            on_cluster,
            {**cluster_tasks.TABLES, **cluster_layouts.TABLES},
            quick=options.quick,
        ),
        "layouts": partial(on_cluster, cluster_layouts.TABLES, quick=options.quick),
        "nodes": partial(
            on_nodes,
            quick=options.quick,
            counts=options.tasks,
            layouts=options.layouts,
        ),
        "scale": partial(report.tables, table, quick=options.quick),
    }
    tables: list[str] = []
    for part in (options.only,) if options.only else WHOLE:
        tables.extend(measures[part]())
    if options.write:
        write(tables)


if __name__ == "__main__":
    main()
