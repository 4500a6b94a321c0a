"""Answers that go on pass through a real nginx, set as the chart's annotations set it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from builders.tasks import make_task_json
from charts.rendering import find, needs_helm, render
from fakes.api_scheduler import MemoryScheduler
from fakes.api_server import make_dependencies
from programs.event_streams import EventStream
from servers.nginx import NO_NGINX, PROGRAM, nginx_before
from tesk.v1 import task_pb2 as pb
from tesk_api.http.app import AppOptions, create_app
from tesk_api.http.rounds import HEARTBEAT
from tesk_runtime.http.limits import HttpLimits
from tesk_runtime.http.process import Endpoint, listen, serve_in_thread
from tesk_runtime.http.server import Service

pytestmark = [
    pytest.mark.skipif(not PROGRAM, reason=NO_NGINX),
    needs_helm,
]

PREFIX = "nginx.ingress.kubernetes.io/"
# What ingress-nginx makes of an annotation.
DIRECTIVES = {
    "proxy-read-timeout": "proxy_read_timeout {}s",
    "proxy-body-size": "client_max_body_size {}",
}
SILENCE = 2  # seconds after which nginx ends an answer, in place of 60
# As often in that time as in 60 seconds.
OFTEN = HEARTBEAT * SILENCE / 60
NEVER = 1e6  # but once at the beginning


@contextmanager
def api(scheduler: MemoryScheduler, heartbeat: float) -> Iterator[int]:
    """Serve the api; give its port."""
    listener = listen("127.0.0.1", 0)
    app = create_app(make_dependencies(scheduler), AppOptions(heartbeat=heartbeat))
    end = serve_in_thread(Endpoint(listener, Service(app=app, threads=2), HttpLimits()))
    yield listener.getsockname()[1]
    end()


def annotated(**changed: int) -> list[str]:
    """Return what the annotations of the chart mean in nginx."""
    ingress = {"enabled": True, "controller": "nginx"}
    made = find(render({"ingress": ingress}), "Ingress", "tesk-api")
    own = {
        name.removeprefix(PREFIX): value
        for name, value in made["metadata"]["annotations"].items()
        if name.startswith(PREFIX)
    }
    assert own.keys() == DIRECTIVES.keys()
    own |= {name.replace("_", "-"): str(value) for name, value in changed.items()}
    return [DIRECTIVES[name].format(value) for name, value in own.items()]


def create(port: int) -> str:
    url = f"http://127.0.0.1:{port}/ga4gh/tes/v1/tasks"
    return str(httpx.post(url, json=make_task_json()).json()["id"])


def follow(port: int, task_id: str) -> EventStream:
    return EventStream(port, f"/tesk/v1/tasks/{task_id}/events")


def silences(events: EventStream, seconds: float) -> list[float]:
    """Read lines for some seconds, or to the end; return the time between them."""
    began = before = time.monotonic()
    found = []
    while before - began < seconds and events.answer.readline():
        now = time.monotonic()
        found.append(now - before)
        before = now
    return found


def test_an_event_is_passed_on_at_once(
    scheduler: MemoryScheduler, tmp_path: Path
) -> None:
    with (
        api(scheduler, heartbeat=NEVER) as direct_port,
        nginx_before(direct_port, tmp_path, *annotated()) as port,
    ):
        task_id = create(port)
        direct, passed = follow(direct_port, task_id), follow(port, task_id)
        assert direct.next() == passed.next()

        scheduler.tasks[task_id].state = pb.TASK_STATE_RUNNING

        # Nothing follows it that could push it out of a buffer.
        assert direct.next() == passed.next()
        direct.close()
        passed.close()


def test_nginx_holds_events_back_that_do_not_ask_for_the_opposite(
    scheduler: MemoryScheduler, tmp_path: Path
) -> None:
    deaf = "proxy_ignore_headers X-Accel-Buffering"
    quiet = annotated(proxy_read_timeout=SILENCE)
    with (
        api(scheduler, heartbeat=NEVER) as direct_port,
        nginx_before(direct_port, tmp_path, *quiet, deaf) as port,
    ):
        began = time.monotonic()
        passed = follow(port, create(direct_port))
        passed.answer.readline()

        # Not before nginx gave the silent server up.
        assert time.monotonic() - began >= SILENCE
        passed.close()


def test_an_answer_outlives_the_time_after_which_nginx_ends_silent_ones(
    scheduler: MemoryScheduler, tmp_path: Path
) -> None:
    quiet = annotated(proxy_read_timeout=SILENCE)
    with (
        api(scheduler, heartbeat=OFTEN) as direct_port,
        nginx_before(direct_port, tmp_path, *quiet) as port,
    ):
        events = follow(port, create(port))
        lived = sum(silences(events, seconds=1.5 * SILENCE))
        events.close()

    assert lived >= 1.5 * SILENCE


def test_an_answer_without_heartbeats_is_cut_off(
    scheduler: MemoryScheduler, tmp_path: Path
) -> None:
    quiet = annotated(proxy_read_timeout=SILENCE)
    with (
        api(scheduler, heartbeat=NEVER) as direct_port,
        nginx_before(direct_port, tmp_path, *quiet) as port,
    ):
        events = follow(port, create(port))
        last = silences(events, seconds=100 * SILENCE)
        events.close()

    assert sum(last) < 100 * SILENCE


def test_a_task_larger_than_nginx_takes_by_itself_is_created(
    scheduler: MemoryScheduler, tmp_path: Path
) -> None:
    large = make_task_json(description="x" * 1_000_000, tags={"a": "x" * 100_000})
    with api(scheduler, heartbeat=NEVER) as direct_port:
        with nginx_before(direct_port, tmp_path, *annotated()) as port:
            url = f"http://127.0.0.1:{port}/ga4gh/tes/v1/tasks"
            accepted = httpx.post(url, json=large)
        with nginx_before(direct_port, tmp_path) as port:
            url = f"http://127.0.0.1:{port}/ga4gh/tes/v1/tasks"
            refused = httpx.post(url, json=large)

    assert accepted.status_code == 200, accepted.text
    assert refused.status_code == 413
