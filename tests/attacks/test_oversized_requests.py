"""Requests that are too large, too many or refused cost the api little."""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from builders.tasks import make_task_json
from clients.raw_http import head, parse_answers, post_head, raw_peers
from fakes.api_process import ApiProcess, run_with
from fakes.api_scheduler import MemoryScheduler
from programs.waiting import eventually

BODY = json.dumps(make_task_json()).encode()
TASKS = "/ga4gh/tes/v1/tasks"
LIMIT = 16 * 1024 * 1024


def test_requests_over_the_limit_are_told_to_come_back(
    memory_scheduler: MemoryScheduler, tmp_path: Path
) -> None:
    few = {"TESK_API_THREADS": "2", "TESK_API_WAITING": "4"}
    with run_with(memory_scheduler, tmp_path, **few) as api:
        memory_scheduler.gate.clear()
        request = post_head(TASKS, Content_Length=len(BODY), Connection="close")
        with raw_peers(api.port, 30, request, BODY) as peers:
            assert api.request("GET", "/healthz")[0] == 200
            answers = [parse_answers(peer.read_answers())[0] for peer in peers[-20:]]
            assert {answer.status for answer in answers} == {503}
            assert all(answer.headers["Retry-After"] for answer in answers)
            memory_scheduler.gate.set()
            for peer in peers:
                peer.read_answers()
        api.assert_serves(TASKS, BODY)


REFUSED: dict[str, tuple[bytes, bytes]] = {
    "announced": (post_head(TASKS, Content_Length=LIMIT + 1), b" " * 65536),
    "announced, and asked for": (
        post_head(TASKS, Content_Length=LIMIT + 1, Expect="100-continue"),
        b"",
    ),
    "chunked": (
        post_head(TASKS, Transfer_Encoding="chunked"),
        (b"100000\r\n" + b" " * 0x100000 + b"\r\n") * 18,
    ),
}


@pytest.mark.parametrize(("first", "more"), REFUSED.values(), ids=REFUSED)
def test_a_refused_body_ends_its_connection_in_words(
    api: ApiProcess, first: bytes, more: bytes
) -> None:
    for _ in range(4):
        with raw_peers(api.port, 1, first, more, head()) as (peer,):
            (answer,) = parse_answers(peer.read_answers())

        assert answer.status == 413
        assert answer.headers["Connection"] == "close"
        assert json.loads(answer.body)["status"] == 413


def test_a_client_goes_on_after_a_refused_body(api: ApiProcess) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", api.port)) as client:
        for _ in range(4):
            kind = {"Content-Type": "application/json"}
            client.request("POST", TASKS, b" " * (LIMIT + 1), kind)
            answer = client.getresponse()
            assert (answer.status, bool(answer.read())) == (413, True)
            client.request("POST", TASKS, BODY, kind)
            answer = client.getresponse()
            assert (answer.status, bool(answer.read())) == (200, True)


TOO_LARGE = {
    "one header": head(X_A="a" * 200_000),
    "an endless line": b"GET /" + b"a" * 200_000,
    "an endless header": head()[:-2] + b"X-A: " + b"a" * 200_000,
    "an endless name": head()[:-2] + b"a" * 200_000,
    "many headers": head()[:-2] + b"X-A: 1\r\n" * 200 + b"\r\n",
    "trailers": post_head(TASKS, Transfer_Encoding="chunked")
    + b"0\r\n"
    + b"X-A: 1\r\n" * 20_000,
    "the extension of a chunk": post_head(TASKS, Transfer_Encoding="chunked")
    + b"1;"
    + b"a" * 400_000,
}


@pytest.mark.parametrize("request_bytes", TOO_LARGE.values(), ids=TOO_LARGE)
def test_heads_have_a_limit(api: ApiProcess, request_bytes: bytes) -> None:
    with raw_peers(api.port, 1, request_bytes) as (peer,):
        (answer,) = parse_answers(peer.read_answers())

    assert answer.status == 431
    assert answer.headers["Connection"] == "close"


def test_requests_sent_ahead_are_answered_in_order_and_bounded(
    api: ApiProcess,
) -> None:
    some = head(target="/") + head(target="/v1/none") + head()
    with raw_peers(api.port, 1, some + head(Connection="close")) as (peer,):
        answers = parse_answers(peer.read_answers())
    with raw_peers(api.port, 1, head() * 2000) as (peer,):
        flood = parse_answers(peer.read_answers())

    assert [answer.status for answer in answers] == [200, 404, 200, 200]
    assert flood[-1].status == 429
    assert flood[-1].headers["Connection"] == "close"
    assert len(flood) < 100


def test_leave_to_send_a_body_is_given_once_it_may_come(api: ApiProcess) -> None:
    first = post_head(
        TASKS, Content_Length=len(BODY), Expect="100-continue", Connection="close"
    )
    with raw_peers(api.port, 1, first) as (peer,):
        assert peer.line.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        peer.send(BODY)
        (answer,) = parse_answers(peer.read_answers())

    assert answer.status == 200


def test_large_bodies_share_a_bounded_memory(
    memory_scheduler: MemoryScheduler, tmp_path: Path
) -> None:
    """Each is allowed; all together are more than this process may hold."""
    part = b" " * (LIMIT - 1)
    with (
        run_with(memory_scheduler, tmp_path) as api,
        raw_peers(api.port, 9, post_head(TASKS, Content_Length=LIMIT)) as peers,
    ):
        with ThreadPoolExecutor(9) as pool:
            list(pool.map(lambda peer: peer.send(part), peers))

        refused = eventually(
            lambda: [peer for peer in peers if b" 503 " in peer.first_bytes()]
        )
        (answer,) = parse_answers(refused[0].read_answers())

        assert answer.headers["Retry-After"]
        api.assert_serves(TASKS, BODY)
