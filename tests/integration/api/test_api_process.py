"""The api as a process: real sockets, real signals."""

import base64
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

import bcrypt
import pytest

from builders.tasks import make_task_json
from fakes.api_process import ApiProcess, run_api, serve_scheduler, start_api
from fakes.api_scheduler import MemoryScheduler
from programs.ports import free_port
from programs.waiting import eventually

BODY = json.dumps(make_task_json()).encode()


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"unix:{tmp_path}/scheduler.sock"


@pytest.fixture
def api(
    scheduler: MemoryScheduler, address: str, tmp_path: Path
) -> Iterator[ApiProcess]:
    with (
        serve_scheduler(scheduler, address),
        run_api(tmp_path, address, TESK_API_WORKERS="2") as process,
    ):
        yield process


def raw(api: ApiProcess, head: str, chunks: list[bytes]) -> bytes:
    """Send a request byte by byte as given; return the status line."""
    with socket.create_connection(("127.0.0.1", api.port), timeout=20) as line:
        line.sendall(head.replace("\n", "\r\n").encode())
        try:
            for chunk in chunks:
                line.sendall(chunk)
        except OSError:
            pass  # it has heard enough
        with line.makefile("rb") as answer:
            return answer.readline()


CHUNKED = (
    "POST /v1/tasks HTTP/1.1\nHost: localhost\nContent-Type: application/json\n"
    "Transfer-Encoding: chunked\n\n"
)


def test_the_api_serves_and_logs_its_url(api: ApiProcess) -> None:
    status, body = api.request("POST", "/v1/tasks", BODY)

    assert (status, body) == (200, b'{"id":"t-1"}')
    assert api.request("GET", "//v1/tasks/t-1")[0] == 200
    assert api.request("POST", "/v1/tasks/t-1%3Acancel")[1] == b"{}"
    assert api.request("GET", "/readyz")[0] == 200
    log = api.log.read_text()
    assert "request method=POST route=/v1/tasks status=200" in log
    assert "busybox" not in log


def test_a_chunked_body_is_read_to_its_end(api: ApiProcess) -> None:
    half = len(BODY) // 2
    chunks = [
        b"%x\r\n%s\r\n" % (len(part), part) for part in (BODY[:half], BODY[half:])
    ]

    assert b" 200 " in raw(api, CHUNKED, [*chunks, b"0\r\n\r\n"])


def test_a_chunked_body_is_limited(
    scheduler: MemoryScheduler, address: str, tmp_path: Path
) -> None:
    block = b"%x\r\n%s\r\n" % (65536, b" " * 65536)
    with (
        serve_scheduler(scheduler, address),
        run_api(tmp_path, address, TESK_API_BODY_LIMIT="100000") as api,
    ):
        line = raw(api, CHUNKED, [block] * 1000)

        assert b" 413 " in line
        assert api.request("POST", "/v1/tasks", b" " * 100001)[0] == 413
        assert api.request("POST", "/v1/tasks", BODY)[0] == 200


def test_a_connection_serves_many_requests(api: ApiProcess) -> None:
    connection = api.connect()
    for _ in range(20):
        kind = {"Content-Type": "application/json"}
        connection.request("POST", "/v1/tasks", BODY, kind)
        assert connection.getresponse().read().startswith(b'{"id":')
    connection.close()


def test_head_has_no_body(api: ApiProcess) -> None:
    connection = api.connect()
    for _ in range(2):
        connection.request("HEAD", "/v1/tasks")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
    connection.close()


def test_concurrent_creates_are_sent_in_batches(
    api: ApiProcess, scheduler: MemoryScheduler
) -> None:
    with ThreadPoolExecutor(24) as pool:
        answers = list(
            pool.map(lambda _: api.request("POST", "/v1/tasks", BODY), range(200))
        )

    assert {status for status, _ in answers} == {200}
    assert len({body for _, body in answers}) == len(scheduler.tasks) == 200


def test_sigterm_lets_running_requests_end(
    api: ApiProcess, scheduler: MemoryScheduler
) -> None:
    scheduler.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(api.request, "POST", "/v1/tasks", BODY)
        eventually(lambda: scheduler.batches)
        api.process.send_signal(signal.SIGTERM)
        opened = threading.Timer(0.3, scheduler.gate.set)
        opened.start()

        assert answer.result(100)[0] == 200
    assert api.process.wait(100) == 0


def test_a_scheduler_that_hangs_is_503_before_clients_give_up(
    api: ApiProcess, scheduler: MemoryScheduler
) -> None:
    scheduler.gate.clear()
    started = time.monotonic()

    status, body = api.request("POST", "/v1/tasks", BODY)

    assert status == 503
    assert json.loads(body)["message"].startswith("the service did not answer in time")
    assert time.monotonic() - started < 30
    keys = {request.idempotency_key for request in scheduler.created}
    scheduler.gate.set()
    assert len(keys) <= 1


def test_a_scheduler_that_comes_back_is_found_again(
    scheduler: MemoryScheduler, address: str, tmp_path: Path
) -> None:
    with run_api(tmp_path, address) as api:
        status, body = api.request("GET", "/readyz")
        assert (status, json.loads(body)["message"]) == (
            503,
            "the scheduler cannot be reached",
        )
        assert api.request("GET", "/healthz")[0] == 200
        with serve_scheduler(scheduler, address):
            eventually(lambda: api.request("GET", "/readyz")[0] == 200)
            assert api.request("POST", "/v1/tasks", BODY)[0] == 200
        status, body = api.request("POST", "/v1/tasks", BODY)
        assert status == 503
        assert b"no task was created" in body
        assert address.encode() not in body
        with serve_scheduler(scheduler, address):
            eventually(lambda: api.request("POST", "/v1/tasks", BODY)[0] == 200)


def test_all_workers_count_into_the_same_metrics(api: ApiProcess) -> None:
    for _ in range(40):
        api.request("GET", "/v1/tasks")

    text = api.request("GET", "/metrics")[1].decode()

    counts = [line for line in text.splitlines() if 'route="/v1/tasks"' in line]
    assert any("_count" in line and line.endswith(" 40.0") for line in counts)


def children(pid: int) -> list[int]:
    """Return the child processes of ``pid``."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_workers_end_with_a_parent_that_is_killed(api: ApiProcess) -> None:
    eventually(lambda: len(children(api.process.pid)) == 2)
    workers = children(api.process.pid)

    api.process.kill()

    eventually(lambda: not any(is_alive(worker) for worker in workers))


def test_a_worker_that_is_killed_is_replaced(api: ApiProcess) -> None:
    eventually(lambda: len(children(api.process.pid)) == 2)
    old = children(api.process.pid)
    os.kill(old[0], signal.SIGKILL)

    eventually(lambda: set(children(api.process.pid)) - set(old))
    eventually(lambda: answers(api))


def answers(api: ApiProcess) -> bool:
    try:
        return api.request("GET", "/v1/tasks")[0] == 200
    except OSError:
        return False


def refused_start(folder: Path, port: int, **env: str) -> tuple[int, str]:
    """Start the api where it must fail; return its exit code and stderr."""
    process = start_api(folder, "unix:/nowhere", port, stderr=subprocess.PIPE, **env)
    _, words = process.communicate(timeout=100)
    return process.returncode, words.decode()


def test_a_taken_port_is_an_error_that_names_it(
    api: ApiProcess, tmp_path: Path
) -> None:
    status, words = refused_start(tmp_path, api.port)

    assert status == 69
    assert f"cannot listen on 127.0.0.1:{api.port} (HOST, PORT)" in words


WRONG = {
    "a port in words": ({"PORT": "http"}, "api.port (PORT)"),
    "no token": ({"TESK_GRPC_TOKEN_FILE": ""}, "TESK_GRPC_TOKEN_FILE"),
    "basic without users": ({"TESK_API_AUTH": "basic"}, "TESK_API_USERS_FILE"),
    "a mailbox as contact": (
        {"TESK_API_CONTACT_URL": "mailto:a@example.org"},
        "TESK_API_CONTACT_URL",
    ),
}


@pytest.mark.parametrize(("env", "want"), WRONG.values(), ids=WRONG)
def test_a_wrong_setting_is_an_error_that_names_it(
    tmp_path: Path, env: dict[str, str], want: str
) -> None:
    status, words = refused_start(tmp_path, free_port(), **env)

    assert status == 78
    assert want in words
    assert "Traceback" not in words


def test_wrong_passwords_leave_threads_for_others(
    scheduler: MemoryScheduler, address: str, tmp_path: Path
) -> None:
    users = tmp_path / "users"
    users.write_bytes(b"bob:" + bcrypt.hashpw(b"b", bcrypt.gensalt(13)) + b"\n")
    basic = {"TESK_API_AUTH": "basic", "TESK_API_USERS_FILE": str(users)}
    wrong = {"Authorization": "Basic " + base64.b64encode(b"bob:x").decode()}
    with (
        serve_scheduler(scheduler, address),
        run_api(tmp_path, address, TESK_API_THREADS="8", **basic) as api,
        ThreadPoolExecutor(12) as pool,
    ):
        guesses = [
            pool.submit(api.request, "GET", "/v1/tasks", headers=wrong)
            for _ in range(12)
        ]
        # More guesses than threads; those that may not wait are told so.
        wait(guesses, 20, return_when=FIRST_COMPLETED)
        assert not all(guess.done() for guess in guesses)
        assert api.request("GET", "/v1/service-info")[0] == 200
        answers = sorted(guess.result(100)[0] for guess in guesses)

    assert set(answers) == {401, 429}
