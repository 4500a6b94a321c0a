"""The page: what browsers get, and what no other site can make them do."""

import gzip
import html
import re
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from builders.tasks import make_task_json
from clients.rest_answers import create, document
from fakes.api_scheduler import MemoryScheduler
from tesk.v1 import task_pb2 as pb
from tesk_model.states import TaskState

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


def page(client: Client, path: str, **options: Any) -> str:
    answer = client.get(path, **options)
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "text/html"
    return answer.text


def send(client: Client, path: str, **fields: Any) -> TestResponse:
    """Send a form as the page makes it."""
    token = re.search(r'name="form_token" value="([^"]+)"', page(client, "/web/submit"))
    assert token
    return client.post(path, data={"form_token": token[1], **fields})


def test_browsers_are_led_to_the_page_and_programs_get_json(client: Client) -> None:
    led = client.get("/", headers=BROWSER)
    assert (led.status_code, led.location) == (302, "/web/tasks")
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        assert document(client.get("/", headers=headers))["tes"] == "/ga4gh/tes/v1"


def test_an_empty_list_says_what_to_do(client: Client) -> None:
    assert "There are no tasks yet" in page(client, "/web/tasks")
    assert "No task matches" in page(client, "/web/tasks?state=COMPLETE")


def test_filters_are_in_the_address(client: Client) -> None:
    create(client, name="first", tags={"run": "17"})
    create(client, name="second", tags={"run": "18"})

    found = page(client, "/web/tasks?tag=run%3D17&state=QUEUED")
    assert "first" in found
    assert "second" not in found
    assert 'value="run=17"' in found
    assert 'hx-get="/web/tasks?state=QUEUED&amp;tag=run%3D17"' in found
    assert "must be one of" in page(client, "/web/tasks?state=NONE")


def test_a_task_that_waits_says_for_what_and_its_place(
    client: Client, scheduler: MemoryScheduler
) -> None:
    task = scheduler.tasks[create(client)]
    task.reason = "waiting for 4 cpu: 0 free"
    task.wait.position, task.wait.place = 3, 70

    shown = page(client, "/web/tasks")
    assert "waiting for 4 cpu: 0 free" in shown
    assert "number 3 of its owner&#39;s queued tasks, and about number 70" in shown

    task.state = pb.TASK_STATE_COMPLETE
    assert "number 3" not in page(client, "/web/tasks")


def test_older_tasks_are_on_further_pages(client: Client) -> None:
    for number in range(60):
        create(client, name=f"n{number:02}")
    first = page(client, "/web/tasks")
    assert "n59" in first
    assert "n09" not in first

    older = re.search(r'href="(/web/tasks\?[^"]*page_token=[^"]+)">Older', first)
    assert older
    second = page(client, older[1].replace("&amp;", "&"))
    assert "n09" in second
    assert "n59" not in second


def test_a_task_is_shown_with_its_output(
    client: Client, scheduler: MemoryScheduler
) -> None:
    task_id = create(client, name="shown")
    task = scheduler.tasks[task_id]
    task.state = pb.TASK_STATE_RUNNING
    log = task.logs.add().logs.add(stdout="printed", stderr="complained")
    log.start_time.GetCurrentTime()
    task.reason, task.reason_code = "transferring", "TRANSFERRING"

    shown = page(client, f"/web/tasks/{task_id}")
    for text in ("shown", "running", "printed", "complained", "TRANSFERRING"):
        assert text in shown
    assert "What it uses is known when it ends." in shown
    assert f'data-events="/tesk/v1/tasks/{task_id}/events"' in shown

    log.exit_code = 3
    task.state = pb.TASK_STATE_EXECUTOR_ERROR
    shown = page(client, f"/web/tasks/{task_id}")
    assert "exit code 3" in shown
    assert "What it uses" not in shown
    assert "data-events" not in shown


def test_a_name_turns_nothing_around_that_follows_it(client: Client) -> None:
    name = "evil\u202egpj.exe"
    task_id = create(client, name=name)

    shown = page(client, f"/web/tasks/{task_id}")
    assert f"<title>\u2068{name}\u2069 · TESK</title>" in shown
    assert f'<h1 dir="auto">{name}</h1>' in shown
    assert f"<bdi>{name}</bdi>" in page(client, "/web/tasks")


def test_inputs_are_shown_with_their_sizes_or_why_there_are_none(
    client: Client, scheduler: MemoryScheduler
) -> None:
    inputs = [
        {"url": "s3://b/in", "path": "/in"},
        {"url": "s3://b/dir", "path": "/dir", "type": "DIRECTORY"},
        {"content": "four", "path": "/text"},
        {"url": "s3://b/late", "path": "/late"},
    ]
    task_id = create(client, inputs=inputs)
    task = scheduler.tasks[task_id]

    assert sizes_of(page(client, f"/web/tasks/{task_id}")) == [
        *("not yet", "not yet", "4 B", "not yet")
    ]

    task.input_sizes.add(index=0, files=1, size_bytes=2048)
    task.input_sizes.add(index=1, files=0, size_bytes=0)
    task.state = pb.TASK_STATE_COMPLETE
    assert sizes_of(page(client, f"/web/tasks/{task_id}")) == [
        *("2 KiB", "0 B in 0 files", "4 B", "not known")
    ]


def sizes_of(shown: str) -> list[str]:
    """Return the last column of the table of inputs."""
    table = shown.partition('id="inputs"')[2].partition("</table>")[0]
    return [
        row.rpartition("<td")[2].partition(">")[2].partition("<")[0]
        for row in table.split("<tr>")[2:]
    ]


def test_a_list_follows_the_changes_that_concern_it(client: Client) -> None:
    filters = "state=RUNNING&name_prefix=a+b&tag=run%3D1+kind"
    shown = html.unescape(page(client, f"/web/tasks?{filters}"))

    concerned = "name_prefix=a+b&tag_key=run&tag_key=kind&tag_value=1&tag_value="
    assert f'data-events="/tesk/v1/events?{concerned}"' in shown
    assert client.get(f"/tesk/v1/events?{concerned}").status_code == 200


@pytest.mark.parametrize("state", TaskState)
def test_every_state_is_told_apart_without_colour(
    client: Client, scheduler: MemoryScheduler, state: TaskState
) -> None:
    task_id = create(client)
    scheduler.tasks[task_id].state = pb.TaskState.Value(f"TASK_STATE_{state.value}")
    assert state.value.lower().replace("_", " ") in page(client, "/web/tasks")
    assert f"state-{state.value.lower()}" in page(client, f"/web/tasks/{task_id}")


def test_nothing_that_users_wrote_is_markup(
    client: Client, scheduler: MemoryScheduler
) -> None:
    body = make_task_json(
        name=HOSTILE,
        description=HOSTILE,
        tags={HOSTILE: HOSTILE},
        inputs=[{"url": f"s3://bucket/{HOSTILE}", "path": f"/in/{HOSTILE}"}],
        outputs=[{"url": f"s3://bucket/{HOSTILE}", "path": f"/out/{HOSTILE}"}],
        executors=[{"image": "img<b>", "command": ["echo", HOSTILE]}],
    )
    task_id = document(client.post("/v1/tasks", json=body))["id"]
    task = scheduler.tasks[task_id]
    task.reason = HOSTILE
    log = task.logs.add(system_logs=[HOSTILE])
    log.logs.add(stdout=HOSTILE, stderr=HOSTILE)
    log.outputs.add(url=HOSTILE, path=HOSTILE, size_bytes=1)

    for path in ("/web/tasks", f"/web/tasks/{task_id}", f"/web/submit?like={task_id}"):
        shown = page(client, path)
        assert HOSTILE not in shown
        assert "<script>alert" not in shown
        assert "<img" not in shown
        assert "<b>" not in shown


def runs_with(client: Client, scheduler: MemoryScheduler, **printed: str) -> str:
    task_id = create(client)
    task = scheduler.tasks[task_id]
    task.state = pb.TASK_STATE_RUNNING
    task.logs.add().logs.add(**printed)
    return task_id


def test_lines_are_found_in_what_was_printed(
    client: Client, scheduler: MemoryScheduler
) -> None:
    task_id = runs_with(client, scheduler, stdout="one\nERROR <two>\nthree\n")

    shown = page(client, f"/web/tasks/{task_id}", query_string={"find": "error <"})

    assert "<mark>ERROR &lt;</mark>two&gt;" in shown
    assert "1 of 3 lines" in shown
    assert "three" not in shown
    # What renews the page, and its form, look for the same.
    assert f'hx-get="/web/tasks/{task_id}?find=error+%3C"' in shown.replace("%20", "+")
    assert 'value="error &lt;"' in shown


@pytest.mark.parametrize("find", ["(", "[", ".*", "\\", "x" * 5000, HOSTILE])
def test_what_is_looked_for_is_text(
    client: Client, scheduler: MemoryScheduler, find: str
) -> None:
    task_id = runs_with(client, scheduler, stdout="one\n")
    shown = page(client, f"/web/tasks/{task_id}", query_string={"find": find})
    assert "0 of 1 lines" in shown
    assert "<img" not in shown


def test_what_was_printed_is_downloaded(
    client: Client, scheduler: MemoryScheduler
) -> None:
    task_id = runs_with(client, scheduler, stdout="<b>out</b>\n", stderr="err")

    answer = client.get(f"/web/tasks/{task_id}/executors/0/stdout")

    assert (answer.text, answer.mimetype) == ("<b>out</b>\n", "text/plain")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    disposition = answer.headers["Content-Disposition"]
    assert disposition == f"attachment; filename={task_id}-0-stdout.txt"
    assert client.get(f"/web/tasks/{task_id}/executors/0/stderr").text == "err"
    for path in ("1/stdout", "0/stdin", "9999999/stdout", "x/stdout"):
        missing = client.get(f"/web/tasks/{task_id}/executors/{path}")
        assert missing.status_code == 404
    assert client.get("/web/tasks/t-9/executors/0/stdout").status_code == 404


def test_links_lead_to_the_web_alone(client: Client) -> None:
    urls = {
        "https://example.org/a?b=1&c=2": True,
        "http://user:secret@example.org/a": False,
        "s3://bucket/key": False,
    }
    inputs = [{"url": url, "path": f"/in/{number}"} for number, url in enumerate(urls)]
    body = make_task_json(inputs=inputs)
    task_id = document(client.post("/v1/tasks", json=body))["id"]

    shown = page(client, f"/web/tasks/{task_id}")

    for url, is_linked in urls.items():
        link = f'href="{url.replace("&", "&amp;")}" rel="noopener noreferrer"'
        assert (link in shown) is is_linked


def test_attempts_and_what_executors_used_are_shown(
    client: Client, scheduler: MemoryScheduler
) -> None:
    task_id = runs_with(client, scheduler, stdout="x")
    task = scheduler.tasks[task_id]
    task.charged.cpu_cores, task.charged.ram_gb = 2, 4
    log = task.logs[0]
    log.metadata["executors[0].node"] = "node-b"
    log.start_time.FromJsonString("2026-01-01T12:06:00Z")
    times = "2026-01-01T12:00:00Z to 2026-01-01T12:05:00Z"
    log.system_logs[:] = [
        "attempt 1 was lost: its node is gone",
        f"attempt 1: {times}, on node-a, NODE_LOST; attempt 2 follows at once",
    ]
    executor = log.logs[0]
    executor.start_time.FromJsonString("2026-01-01T12:06:00Z")
    executor.end_time.FromJsonString("2026-01-01T12:06:10Z")
    executor.cpu_seconds, executor.max_memory_bytes = 5, 2**30

    shown = page(client, f"/web/tasks/{task_id}")

    for text in ("node-a", "node-b", "NODE_LOST", "its node is gone"):
        assert text in shown
    assert "0.5 of 2 cores, 5 s of CPU" in shown
    assert "1 GiB of 4 GiB" in shown
    assert shown.count('width="25.0"') == 2


def test_a_new_task_can_begin_with_an_example(client: Client) -> None:
    assert "hello from TESK" in page(client, "/web/submit")
    shown = page(client, "/web/submit?example=glob-output")
    assert "s3://BUCKET/tesk-output/glob" in shown
    assert "hello from TESK" in page(client, "/web/submit?example=../../etc/passwd")


def test_pages_load_from_this_server_alone(client: Client) -> None:
    answer = client.get("/web/tasks")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]* src=)|\sstyle=|\son[a-z]+=", answer.text)
    for asset in re.findall(r'(?:src|href)="(/web/static/[^"]+)"', answer.text):
        found = client.get(asset)
        assert found.status_code == 200
        assert "max-age" in found.headers["Cache-Control"]
        assert found.headers["Vary"] == "Accept-Encoding"
        packed = client.get(asset, headers={"Accept-Encoding": "gzip"})
        assert gzip.decompress(packed.data) == found.data
        for each in (found, packed):
            sent = {"If-None-Match": each.headers["ETag"]}
            encoding = each.headers.get("Content-Encoding", "identity")
            again = client.get(asset, headers={**sent, "Accept-Encoding": encoding})
            assert (again.status_code, again.data) == (304, b"")
    assert client.get("/web/static/..%2fpages.py").status_code == 404


def test_problems_of_a_task_are_shown_with_their_lines(client: Client) -> None:
    document = '{"executors": [\r\n{"image": 3, "command": ["true"]}]}'

    shown = send(client, "/web/check", document=document).text
    assert 'data-line="2">line 2</a> <code>executors[0].image</code>' in shown
    answer = send(client, "/web/submit", document=document)
    assert answer.status_code == 400
    assert 'data-line="2">' in answer.text


def test_a_form_creates_a_task(client: Client) -> None:
    text = '{"name": "formed", "executors": [{"image": "i", "command": ["c"]}]}'
    answer = send(client, "/web/submit", document=text)
    assert answer.status_code == 303
    assert "formed" in page(client, answer.location)


def test_problems_are_shown_beside_the_text(client: Client) -> None:
    checked = send(client, "/web/check", document='{"executors": []}')
    assert (checked.status_code, "executors" in checked.text) == (200, True)
    refused = send(client, "/web/submit", document='{"executors": []}')
    assert refused.status_code == 400
    assert "{&#34;executors&#34;: []}" in refused.text
    good = '{"executors": [{"image": "i", "command": ["c"]}]}'
    assert "valid task" in send(client, "/web/check", document=good).text
    assert document(client.get("/v1/tasks"))["tasks"] == []


def test_tasks_are_canceled_one_or_several(client: Client) -> None:
    ids = [create(client, name=f"n{number}") for number in range(3)]

    one = send(client, f"/web/tasks/{ids[0]}/cancel")
    assert (one.status_code, one.location) == (303, f"/web/tasks/{ids[0]}")
    several = send(client, "/web/tasks", id=ids[1:], filters="?name_prefix=n")
    assert several.location == "/web/tasks?name_prefix=n"
    states = {document(client.get(f"/v1/tasks/{task_id}"))["state"] for task_id in ids}
    assert states == {"CANCELED"}


@pytest.mark.parametrize("filters", ["//evil.example", "https://evil.example/?x=1"])
def test_no_form_leads_elsewhere(client: Client, filters: str) -> None:
    answer = send(client, "/web/tasks", filters=filters)
    assert answer.location.startswith("/web/tasks")


FORMS = ["/web/submit", "/web/check", "/web/tasks", "/web/tasks/t-1/cancel"]


@pytest.mark.parametrize("path", FORMS)
def test_forms_of_others_do_nothing(client: Client, path: str) -> None:
    task_id = create(client)
    text = '{"executors": [{"image": "i", "command": ["c"]}]}'
    fields = {"document": text, "id": task_id}

    assert client.post(path, data=fields).status_code == 403
    page(client, "/web/submit")  # the browser has a token now
    assert client.post(path, data=fields).status_code == 403
    assert client.post(path, data=fields | {"form_token": "x"}).status_code == 403
    assert client.post(path, json={}).status_code == 400
    foreign = client.post(path, data=fields, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    listed = document(client.get("/v1/tasks"))["tasks"]
    assert listed == [{"id": task_id, "state": "QUEUED"}]


def test_errors_are_pages(client: Client) -> None:
    answer = client.get("/web/tasks/t-999")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "There is no such task." in answer.text
