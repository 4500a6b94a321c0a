"""The page of a task that has much of something stays one that a browser can show."""

import re

from werkzeug.test import Client

from clients.rest_answers import create
from fakes.api_scheduler import MemoryScheduler


def test_of_thousands_of_files_the_first_are_shown(
    client: Client, scheduler: MemoryScheduler
) -> None:
    outputs = [{"path": "/out", "url": "s3://b/out", "type": "DIRECTORY"}]
    task_id = create(client, outputs=outputs)
    log = scheduler.tasks[task_id].logs.add()
    for number in range(5000):
        log.outputs.add(path=f"/out/{number}", url=f"s3://b/out/{number}")

    shown = client.get(f"/web/tasks/{task_id}").text

    assert "the first 200 of 5,000" in shown
    assert len(re.findall(r"<code>/out/\d+", shown)) == 200
    record = client.get(f"/tesk/v1/tasks/{task_id}/report?format=text").text
    assert "s3://b/out/4999" in record


def test_of_many_executors_those_are_open_that_failed_and_the_last(
    client: Client, scheduler: MemoryScheduler
) -> None:
    executors = [{"image": "i", "command": ["c"], "ignore_error": True}] * 30
    task_id = create(client, executors=executors)
    log = scheduler.tasks[task_id].logs.add()
    for number in range(30):
        log.logs.add(stdout=f"line {number}", exit_code=int(number == 7))

    opened = r'<details class="executor" open id="executor-(\d+)">'
    shown = client.get(f"/web/tasks/{task_id}").text
    found = client.get(f"/web/tasks/{task_id}?find=line").text

    assert re.findall(opened, shown) == ["7", "29"]
    assert len(re.findall(opened, found)) == 30
