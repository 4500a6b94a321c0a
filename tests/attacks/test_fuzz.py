"""No request causes a 5xx, or a response that the OpenAPI document does not have.

Requests are made from the document by schemathesis, and byte by byte from broken
pieces of HTTP. The seed is fixed. ``TESK_FUZZ_SECONDS`` is the budget of each part;
without it each sends some hundreds.
"""

import os
import random
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.api_process import ApiProcess, run_api
from programs.memory import forget_peak, peak_mib
from schedulers.running import running_scheduler
from tesk_scheduler.config import SchedulerSettings

SECONDS = int(os.environ.get("TESK_FUZZ_SECONDS", "0"))
SEED = 20
_ANSWER_SECONDS = 20.0
_GROWTH_MIB = 200

# A body that JSON Schema takes may still break a rule that it cannot say.
EXCLUDED = "positive_data_acceptance"
# Each example would wait for events that do not come; its own tests check them.
ENDLESS = "/tesk/v1/events"
# All values at their bounds take some time by themselves.
BUDGET = (
    ("--phases", "examples,coverage,fuzzing,stateful", "--max-time", str(SECONDS))
    if SECONDS
    else ("--phases", "examples,fuzzing,stateful", "--max-examples", "10")
)
HOOKS = Path(__file__).with_name("fuzz_hooks.py")
_BROKEN = 500
_COUNTS = re.compile(r"(\d+) generated, (\d+) passed")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    folder = tmp_path_factory.mktemp("fuzz")
    settings = SchedulerSettings(tasks_per_taskmaster=2, max_taskmasters=1)
    with (
        running_scheduler(folder, settings) as scheduler,
        run_api(folder, scheduler.address) as process,
    ):
        yield process


def assert_nothing_broke(api: ApiProcess) -> None:
    """Check that the log has no bug and that no thread has ended."""
    said = api.log.read_text()
    for words in ("internal error", "request failed", "Exception in"):
        assert words not in said, said[-4000:]


@pytest.mark.timeout(SECONDS * 2 + 240)
def test_generated_requests_cause_no_server_error(
    api: ApiProcess, tmp_path: Path
) -> None:
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run"),
        f"http://127.0.0.1:{api.port}/openapi.json",
        *("--seed", str(SEED), *BUDGET),
        *("--exclude-checks", EXCLUDED, "--generation-database", "none"),
        *("--exclude-path", ENDLESS),
        *("--max-response-time", str(_ANSWER_SECONDS), "--suppress-health-check=all"),
        *("--no-color", "--continue-on-failure", "--no-shrink"),
    ]
    before = forget_peak(api)

    done = subprocess.run(
        command,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"SCHEMATHESIS_HOOKS": str(HOOKS)},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    counts = _COUNTS.search(done.stdout)
    assert counts, done.stdout
    assert int(counts[1]) == int(counts[2]) > 50, done.stdout
    assert peak_mib(api) - before < _GROWTH_MIB
    assert_nothing_broke(api)


PIECES = [
    *(b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT", b"BREW", b"get", b"\xff"),
    *(b" ", b"  ", b"\t", b"\r\n", b"\n", b"\r", b"\0", b":", b",", b"/", b"?", b"%"),
    *(b"/v1/tasks", b"/ga4gh/tes/v1/tasks/", b"//v1//tasks/x:cancel", b"/v1/tasks/%ff"),
    *(b"/v1/tasks?page_size=1&page_token=", b"/../../etc/passwd", b"http://x/v1/tasks"),
    *(b"http://[/v1/tasks", b"CONNECT", b"Transfer-Encoding: gzip, chunked\r\n"),
    *(b"*", b"/openapi.json", b"/healthz", b"/tesk/v1/tasks/\xc3\xa4", b"a" * 9000),
    *(b"HTTP/1.1", b"HTTP/1.0", b"HTTP/9.9", b"HTTP/2.0", b"PRI * HTTP/2.0\r\n\r\nSM"),
    *(b"Host: 127.0.0.1\r\n", b"Host: \r\n", b"Host: evil.example\r\n"),
    *(b"Content-Type: application/json\r\n", b"Content-Type: text/plain\r\n"),
    *(b"Content-Length: 2\r\n", b"Content-Length: 0\r\n", b"Content-Length: -1\r\n"),
    *(b"Content-Length: 99999999999999999999\r\n", b"Content-Length: 1, 2\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n"),
    *(b"2\r\n{}\r\n0\r\n\r\n", b"ffffffffffffffff\r\n", b"-1\r\n", b"0\r\n\r\n"),
    *(
        b"Expect: 100-continue\r\n",
        b"Connection: close\r\n",
        b"Connection: upgrade\r\n",
    ),
    *(
        b"Upgrade: h2c\r\n",
        b"X-Request-Id: \x1b[2J\r\n",
        b"Authorization: Basic \xff\r\n",
    ),
    *(b"X: " + b"b" * 70_000 + b"\r\n", b"X: y\r\n" * 300, b" folded\r\n"),
    *(
        b"{}",
        b"[]",
        b'{"executors":[{"image":"a","command":["b"]}]}',
        b"\x16\x03\x01\x02",
    ),
]
_JSON = b"Host: 127.0.0.1\r\nContent-Type: application/json\r\n"
_CREATE = b"POST /v1/tasks HTTP/1.1\r\n" + _JSON
WELL_FORMED = [
    _CREATE + b"Content-Length: 2\r\n\r\n{}",
    _CREATE + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"GET /v1/tasks?view=FULL HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"POST /v1/tasks/x:cancel HTTP/1.1\r\n" + _JSON + b"Content-Length: 0\r\n\r\n",
]
STATUS = re.compile(rb"^HTTP/1\.[01] ([0-9]{3})", re.MULTILINE)


def broken(chance: random.Random) -> bytes:
    """Return a malformed request."""
    if chance.random() < 0.3:
        return b"".join(chance.choices(PIECES, k=chance.randint(1, 12)))
    text = bytearray(chance.choice(WELL_FORMED))
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(text) + 1)
        match chance.randrange(3):
            case 0:
                text[place:place] = chance.choice(PIECES)
            case 1:
                del text[place : place + chance.randint(1, 20)]
            case _:
                text[place : place + 1] = bytes([chance.randrange(256)])
    return bytes(text)


def statuses(api: ApiProcess, sent: bytes) -> list[int]:
    """Send bytes, and no more; return the status of each answer."""
    with socket.create_connection(("127.0.0.1", api.port), timeout=20) as line:
        answer = b""
        try:
            line.sendall(sent)
            line.shutdown(socket.SHUT_WR)
            while block := line.recv(65536):
                answer += block
        except OSError:
            pass  # it has heard enough
    return [int(status) for status in STATUS.findall(answer)]


@pytest.mark.timeout(SECONDS * 2 + 240)
def test_malformed_http_causes_no_server_error(api: ApiProcess) -> None:
    chance = random.Random(SEED)  # noqa: S311 - the same each time
    before = forget_peak(api)
    seen: Counter[int] = Counter()
    end = time.monotonic() + SECONDS
    while sum(seen.values()) < _BROKEN or time.monotonic() < end:
        sent = broken(chance)
        started = time.monotonic()
        found = statuses(api, sent)
        assert all(status < 500 or status in {501, 505} for status in found), sent
        assert time.monotonic() - started < _ANSWER_SECONDS, sent
        seen.update(found)

    assert seen[400] > 10, seen
    assert api.request("GET", "/healthz")[0] == 200
    assert peak_mib(api) - before < _GROWTH_MIB
    assert_nothing_broke(api)
