"""``tesk serve`` on the console: banner, events, report at the stop."""

import json
import threading
import urllib.request
from collections.abc import Callable
from contextlib import closing

from tesk_cli.serve.supervisor import Supervisor

_ENGINES = {
    "container": "containers (docker or podman)",
    "sandbox": "sandbox (bubblewrap): tasks run this machine's programs,"
    " the image of an executor is ignored",
}
_REQUEST_TIMEOUT = 3.0  # seconds


def serve(
    supervisor: Supervisor, stop: threading.Event, report: Callable[[str], None]
) -> None:
    """Run a server until ``stop`` is set.

    Args:
        supervisor: Not started yet.
        stop: Set by SIGTERM and Ctrl-C.
        report: Shows one line to the user.

    Raises:
        ServeError: The server does not start, or does not stay up.
    """
    supervisor.start(stop)
    try:
        if not stop.is_set():
            for line in format_banner(supervisor):
                report(line)
            supervisor.watch(stop)
    finally:
        report("stopping …")
        running = unfinished_tasks(supervisor.url) if supervisor.url else []
        supervisor.stop()
        for line in format_stop_report(running):
            report(line)


def format_banner(supervisor: Supervisor) -> list[str]:
    """Return the lines that describe a server that is ready."""
    plan = supervisor.plan
    roots = ":".join(str(root) for root in plan.file_roots)
    problem = supervisor.container_problem
    logs = "below" if plan.verbose else str(plan.home / "logs")
    return [
        "TESK is ready.",
        f"  page    {supervisor.url}/   (in a browser)",
        f"  API     {supervisor.url}/ga4gh/tes/v1   (try it: {supervisor.url}/ui)",
        f"  engine  {_ENGINES[supervisor.engine]}",
        *([f"          no containers: {problem}"] if problem else []),
        f"  state   {plan.home}   (TESK_HOME)",
        f"  files   {roots}   (file:// reads and writes here; TESK_FILE_ROOTS)",
        f"  logs    {logs}",
        f"  try     curl {supervisor.url}/ga4gh/tes/v1/service-info",
        "  stop    Ctrl-C",
    ]


def format_stop_report(running: list[str]) -> list[str]:
    """Return the lines that name the tasks that have not ended."""
    if not running:
        return ["stopped"]
    count = "1 task" if len(running) == 1 else f"{len(running)} tasks"
    shown = ", ".join(running[:5]) + (", …" if len(running) > len(running[:5]) else "")
    return [
        f"stopped; {count} did not end yet: {shown}",
        "  the next `tesk serve` takes them over; what runs goes on meanwhile",
        "  to cancel one instead: `tesk serve`, then `tesk task cancel ID`",
    ]


def unfinished_tasks(url: str) -> list[str]:
    """Return ids of tasks that run; empty if the server does not answer."""
    ids: list[str] = []
    for state in ("RUNNING", "INITIALIZING"):
        query = f"{url}/ga4gh/tes/v1/tasks?state={state}&page_size=100"
        try:
            with closing(
                urllib.request.urlopen(query, timeout=_REQUEST_TIMEOUT)  # noqa: S310 - our own server
            ) as answer:
                ids += [task["id"] for task in json.load(answer)["tasks"]]
        except (OSError, ValueError, KeyError, TypeError):
            return ids
    return ids
