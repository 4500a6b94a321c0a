"""Clients do not notice a scheduler that is unavailable for a moment."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from builders.tasks import make_task_json
from fakes.api_process import run_api, run_with, serve_scheduler
from fakes.api_scheduler import MemoryScheduler
from tesk_model.errors import UnavailableError

BODY = json.dumps(make_task_json()).encode()


def test_requests_wait_for_a_scheduler_that_restarts(
    scheduler: MemoryScheduler, tmp_path: Path
) -> None:
    address = f"unix:{tmp_path}/scheduler.sock"
    with run_api(tmp_path, address) as api, ThreadPoolExecutor(24) as pool:
        with serve_scheduler(scheduler, address):
            task_id = json.loads(api.request("POST", "/v1/tasks", BODY)[1])["id"]
        creates = [
            pool.submit(api.request, "POST", "/v1/tasks", BODY) for _ in range(20)
        ]
        others = [
            pool.submit(api.request, *asked)
            for asked in (
                ("GET", f"/v1/tasks/{task_id}"),
                ("GET", "/v1/tasks"),
                ("POST", f"/v1/tasks/{task_id}:cancel"),
            )
        ]
        threading.Event().wait(1)  # so long nobody is there
        assert not any(call.done() for call in creates)
        with serve_scheduler(scheduler, address):
            answers = [call.result(100) for call in (*creates, *others)]

    assert {status for status, _ in answers} == {200}
    assert len({body for _, body in answers[:20]}) == 20
    assert len(scheduler.tasks) == 21


def test_a_lost_answer_does_not_create_a_second_task(
    scheduler: MemoryScheduler, tmp_path: Path
) -> None:
    with run_with(scheduler, tmp_path) as api:
        scheduler.lost = 3

        status, body = api.request("POST", "/v1/tasks", BODY)

    assert (status, json.loads(body)) == (200, {"id": "t-1"})
    assert len(scheduler.created) == 4
    assert len(scheduler.tasks) == 1


def test_a_long_retry_after_of_the_scheduler_ends_the_retries(
    scheduler: MemoryScheduler, tmp_path: Path
) -> None:
    with run_with(scheduler, tmp_path) as api:
        scheduler.error = UnavailableError("the disk is full", timedelta(seconds=30))
        status, body = api.request("POST", "/v1/tasks", BODY)

    assert status == 503
    assert b"the disk is full; unless it answers later, no task was created" in body
    assert len(scheduler.batches) <= 5  # the tries of one call (gRPC's maximum)
    assert not scheduler.tasks


def test_an_unavailable_scheduler_is_reported_before_clients_retry(
    tmp_path: Path,
) -> None:
    address = f"unix:{tmp_path}/scheduler.sock"
    with run_api(tmp_path, address) as api, ThreadPoolExecutor(40) as pool:
        started = time.monotonic()

        answers = list(
            pool.map(lambda _: api.request("POST", "/v1/tasks", BODY), range(40))
        )

    assert {status for status, _ in answers} == {503}
    assert time.monotonic() - started < 30
