"""Peers that hold connections, threads and memory of the api, and give nothing."""

import http.client
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from builders.tasks import make_task_json
from clients.raw_http import RawPeer, all_closed, head, parse_answers, raw_peers
from fakes.api_process import ApiProcess, free_port, run_with
from fakes.api_scheduler import MemoryScheduler
from programs.waiting import eventually
from tesk_scheduler.adapters.metrics import serve_metrics

BODY = json.dumps(make_task_json()).encode()
TASKS = "/ga4gh/tes/v1/tasks"
# Of each kind; together far more than threads.
MANY = 50
LIMIT = 16 * 1024 * 1024


def post(**headers: str | int) -> bytes:
    """Return the head of a task's request."""
    return head("POST", TASKS, Content_Type="application/json", **headers)


def serves(api: ApiProcess) -> None:
    """Check that others are served, and soon."""
    started = time.monotonic()
    assert api.request("GET", "/healthz")[0] == 200
    assert api.request("GET", "/metrics")[0] == 200
    assert api.request("POST", TASKS, BODY)[0] == 200
    assert time.monotonic() - started < 5


# What each of many peers sends, and then waits.
HELD: dict[str, tuple[bytes, ...]] = {
    "nothing": (),
    "empty lines": (b"\r\n" * 100,),
    "a part of a line": (b"POST /ga4gh",),
    "a part of the headers": (post()[:-2], b"X-More: 1\r\n"),
    "no body": (post(Content_Length=1000),),
    "a part of a body": (post(Content_Length=len(BODY)), BODY[:10]),
    "a part of a chunked body": (post(Transfer_Encoding="chunked"), b"5\r\n{\r\n"),
    "a body that it asks leave for": (
        post(Content_Length=1000, Expect="100-continue"),
    ),
    "a request, and then nothing": (head(),),
}


def test_peers_that_fall_silent_hold_nothing(api: ApiProcess) -> None:
    with ExitStack() as stack:
        held = {
            name: stack.enter_context(raw_peers(api.port, MANY, *parts))
            for name, parts in HELD.items()
        }
        serves(api)

        def kinds_left() -> list[str]:
            return [name for name, peers in held.items() if not all_closed(peers)]

        eventually(lambda: not kinds_left(), within=20, what="their end")

    serves(api)


DRIPS: dict[str, tuple[bytes, bytes]] = {
    "headers": (head()[:-2], b"X-A: 1\r\n"),
    "empty lines": (b"", b"\r\n"),
    "a body": (post(Content_Length=100_000), b" "),
    "a chunked body": (post(Transfer_Encoding="chunked"), b"1\r\n \r\n"),
    "the extension of a chunk": (post(Transfer_Encoding="chunked") + b"1;", b"a"),
    "trailers": (post(Transfer_Encoding="chunked") + b"0\r\n", b"X-A: 1\r\n"),
}


def test_drops_do_not_lengthen_a_deadline(api: ApiProcess) -> None:
    with ExitStack() as stack:
        dripping = {
            name: (drop, stack.enter_context(raw_peers(api.port, 40, first)))
            for name, (first, drop) in DRIPS.items()
        }

        def kinds_left() -> list[str]:
            for drop, peers in dripping.values():
                for peer in peers:
                    peer.send(drop)
            return [
                name for name, (_, peers) in dripping.items() if not all_closed(peers)
            ]

        serves(api)
        eventually(lambda: not kinds_left(), within=20, what="their end", every=0.1)

    serves(api)


def test_unfinished_requests_of_http2_are_not_begun(api: ApiProcess) -> None:
    preface = (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00" + b"\x00" * 4
    )
    with raw_peers(api.port, 40, preface) as peers:
        for peer in peers:
            (answer,) = parse_answers(peer.read_answers())
            assert answer.status == 400
            assert answer.headers["Connection"] == "close"

    serves(api)


def test_an_offer_of_http2_is_answered_in_http1(api: ApiProcess) -> None:
    offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c"}
    first = head(HTTP2_Settings="AAMA", **offer)
    with raw_peers(api.port, 1, first, head(Connection="close")) as (peer,):
        answers = parse_answers(peer.read_answers())

    assert [answer.status for answer in answers] == [200, 200]


def test_a_body_that_comes_with_an_offer_is_read(api: ApiProcess) -> None:
    """As some clients in Java send each first request."""
    offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c"}
    request = post(Content_Length=len(BODY), HTTP2_Settings="AAMA", **offer) + BODY
    with raw_peers(api.port, 1, request, head(Connection="close")) as (peer,):
        answers = parse_answers(peer.read_answers())

    assert [answer.status for answer in answers] == [200, 200]


def test_targets_that_are_no_urls_end_no_thread(api: ApiProcess) -> None:
    for target in ("http://[/v1/tasks", "/healthz"):
        with raw_peers(api.port, MANY, head(target=target, Connection="close")) as many:
            found = {parse_answers(peer.read_answers())[0].status for peer in many}
        assert found == {400 if "[" in target else 200}

    serves(api)


def test_more_connections_than_fit_do_not_keep_others_out(
    memory_scheduler: MemoryScheduler, tmp_path: Path
) -> None:
    """Deadlines alone would not help here: the oldest strangers make way."""
    with run_with(memory_scheduler, tmp_path, TESK_API_CONNECTIONS="64") as api:
        friend = api.connect()
        friend.request("GET", "/healthz")
        assert friend.getresponse().read()
        with raw_peers(api.port, 500):
            serves(api)
            friend.request("GET", "/healthz")
            assert friend.getresponse().status == 200
        friend.close()


def test_more_connections_than_descriptors_do_not_keep_others_out(
    memory_scheduler: MemoryScheduler, tmp_path: Path
) -> None:
    few = {"DESCRIPTORS": "200", "TESK_API_THREADS": "1"}
    with (
        run_with(memory_scheduler, tmp_path, **few) as api,
        raw_peers(api.port, 500),
    ):
        serves(api)


def test_silent_readers_of_metrics_leave_room_for_clients(
    memory_scheduler: MemoryScheduler, tmp_path: Path
) -> None:
    metrics = free_port()
    settings = {
        "DESCRIPTORS": "428",
        "TESK_API_CONNECTIONS": "300",
        "TESK_API_METRICS_LISTEN": f"127.0.0.1:{metrics}",
    }
    with (
        run_with(memory_scheduler, tmp_path, **settings) as api,
        raw_peers(metrics, 400),
        raw_peers(api.port, 400),
    ):
        started = time.monotonic()
        assert api.request("GET", "/healthz")[0] == 200
        assert time.monotonic() - started < 5


def test_requests_over_the_limit_are_told_to_come_back(
    memory_scheduler: MemoryScheduler, tmp_path: Path
) -> None:
    few = {"TESK_API_THREADS": "2", "TESK_API_WAITING": "4"}
    with run_with(memory_scheduler, tmp_path, **few) as api:
        memory_scheduler.gate.clear()
        request = post(Content_Length=len(BODY), Connection="close")
        with raw_peers(api.port, 30, request, BODY) as peers:
            assert api.request("GET", "/healthz")[0] == 200
            answers = [parse_answers(peer.read_answers())[0] for peer in peers[-20:]]
            assert {answer.status for answer in answers} == {503}
            assert all(answer.headers["Retry-After"] for answer in answers)
            memory_scheduler.gate.set()
            for peer in peers:
                peer.read_answers()
        serves(api)


REFUSED: dict[str, tuple[bytes, bytes]] = {
    "announced": (post(Content_Length=LIMIT + 1), b" " * 65536),
    "announced, and asked for": (
        post(Content_Length=LIMIT + 1, Expect="100-continue"),
        b"",
    ),
    "chunked": (
        post(Transfer_Encoding="chunked"),
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
    "trailers": post(Transfer_Encoding="chunked") + b"0\r\n" + b"X-A: 1\r\n" * 20_000,
    "the extension of a chunk": post(Transfer_Encoding="chunked")
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
    first = post(Content_Length=len(BODY), Expect="100-continue", Connection="close")
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
        raw_peers(api.port, 9, post(Content_Length=LIMIT)) as peers,
    ):
        with ThreadPoolExecutor(9) as pool:
            list(pool.map(lambda peer: peer.send(part), peers))

        refused = eventually(
            lambda: [peer for peer in peers if b" 503 " in peer.first_bytes()]
        )
        (answer,) = parse_answers(refused[0].read_answers())

        assert answer.headers["Retry-After"]
        serves(api)


def test_readers_that_take_nothing_are_left(api: ApiProcess) -> None:
    contents = [{"path": f"/i/{name}", "content": "x" * 1_000_000} for name in "abcdef"]
    large = json.dumps(make_task_json(inputs=contents)).encode()
    status, body = api.request("POST", TASKS, large)
    assert status == 200
    ask = head(target=f"{TASKS}/{json.loads(body)['id']}?view=FULL")
    with raw_peers(api.port, 20, ask, receive_buffer=4096) as peers:
        serves(api)

        eventually(lambda: all(is_truncated(peer) for peer in peers), within=20)

    serves(api)


def is_truncated(peer: RawPeer) -> bool:
    """Tell whether the other end is gone, without reading on."""
    state = peer.line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    established = 1
    return state != established


def test_metrics_of_the_scheduler_are_read_beside_silent_peers() -> None:
    port = free_port()
    stop = serve_metrics(f"127.0.0.1:{port}", CollectorRegistry())
    try:
        with raw_peers(port, 300), raw_peers(port, 1, head(target="/metrics")) as peers:
            assert peers[0].line.recv(15) == b"HTTP/1.1 200 OK"
    finally:
        stop()
