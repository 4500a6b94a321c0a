"""Peers that hold connections of the api do not keep other clients out."""

import json
import socket
import time
from contextlib import ExitStack
from pathlib import Path

from prometheus_client import CollectorRegistry

from builders.tasks import make_task_json
from clients.raw_http import (
    RawPeer,
    all_closed,
    head,
    parse_answers,
    post_head,
    raw_peers,
)
from fakes.api_process import ApiProcess, run_with
from fakes.api_scheduler import MemoryScheduler
from programs.ports import free_port
from programs.waiting import eventually
from tesk_scheduler.adapters.metrics import serve_metrics

BODY = json.dumps(make_task_json()).encode()
TASKS = "/ga4gh/tes/v1/tasks"
# Peers of each kind; together far more than threads.
MANY = 50


# Bytes that each of many peers sends before it falls silent.
SILENT_REQUESTS: dict[str, tuple[bytes, ...]] = {
    "nothing": (),
    "empty lines": (b"\r\n" * 100,),
    "a part of a line": (b"POST /ga4gh",),
    "a part of the headers": (post_head(TASKS)[:-2], b"X-More: 1\r\n"),
    "no body": (post_head(TASKS, Content_Length=1000),),
    "a part of a body": (post_head(TASKS, Content_Length=len(BODY)), BODY[:10]),
    "a part of a chunked body": (
        post_head(TASKS, Transfer_Encoding="chunked"),
        b"5\r\n{\r\n",
    ),
    "a body after Expect": (
        post_head(TASKS, Content_Length=1000, Expect="100-continue"),
    ),
    "a request, and then nothing": (head(),),
}


def test_silent_peers_are_disconnected(api: ApiProcess) -> None:
    with ExitStack() as stack:
        held = {
            name: stack.enter_context(raw_peers(api.port, MANY, *parts))
            for name, parts in SILENT_REQUESTS.items()
        }
        api.assert_serves(TASKS, BODY)

        def kinds_left() -> list[str]:
            return [name for name, peers in held.items() if not all_closed(peers)]

        eventually(lambda: not kinds_left(), what="their end")

    api.assert_serves(TASKS, BODY)


SLOW_REQUESTS: dict[str, tuple[bytes, bytes]] = {
    "headers": (head()[:-2], b"X-A: 1\r\n"),
    "empty lines": (b"", b"\r\n"),
    "a body": (post_head(TASKS, Content_Length=100_000), b" "),
    "a chunked body": (post_head(TASKS, Transfer_Encoding="chunked"), b"1\r\n \r\n"),
    "the extension of a chunk": (
        post_head(TASKS, Transfer_Encoding="chunked") + b"1;",
        b"a",
    ),
    "trailers": (
        post_head(TASKS, Transfer_Encoding="chunked") + b"0\r\n",
        b"X-A: 1\r\n",
    ),
}


def test_slow_bytes_do_not_extend_a_deadline(api: ApiProcess) -> None:
    with ExitStack() as stack:
        dripping = {
            name: (drop, stack.enter_context(raw_peers(api.port, 40, first)))
            for name, (first, drop) in SLOW_REQUESTS.items()
        }

        def kinds_left() -> list[str]:
            for drop, peers in dripping.values():
                for peer in peers:
                    peer.send(drop)
            return [
                name for name, (_, peers) in dripping.items() if not all_closed(peers)
            ]

        api.assert_serves(TASKS, BODY)
        eventually(lambda: not kinds_left(), what="their end", every=0.1)

    api.assert_serves(TASKS, BODY)


def test_http2_is_refused(api: ApiProcess) -> None:
    preface = (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00" + b"\x00" * 4
    )
    with raw_peers(api.port, 40, preface) as peers:
        for peer in peers:
            (answer,) = parse_answers(peer.read_answers())
            assert answer.status == 400
            assert answer.headers["Connection"] == "close"

    api.assert_serves(TASKS, BODY)


def test_an_offer_of_http2_is_answered_in_http1(api: ApiProcess) -> None:
    offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c"}
    first = head(HTTP2_Settings="AAMA", **offer)
    with raw_peers(api.port, 1, first, head(Connection="close")) as (peer,):
        answers = parse_answers(peer.read_answers())

    assert [answer.status for answer in answers] == [200, 200]


def test_a_body_with_an_offer_of_http2_is_read(api: ApiProcess) -> None:
    """As some clients in Java send each first request."""
    offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c"}
    request = (
        post_head(TASKS, Content_Length=len(BODY), HTTP2_Settings="AAMA", **offer)
        + BODY
    )
    with raw_peers(api.port, 1, request, head(Connection="close")) as (peer,):
        answers = parse_answers(peer.read_answers())

    assert [answer.status for answer in answers] == [200, 200]


def test_malformed_targets_do_not_end_a_thread(api: ApiProcess) -> None:
    for target in ("http://[/v1/tasks", "/healthz"):
        with raw_peers(api.port, MANY, head(target=target, Connection="close")) as many:
            found = {parse_answers(peer.read_answers())[0].status for peer in many}
        assert found == {400 if "[" in target else 200}

    api.assert_serves(TASKS, BODY)


def test_more_connections_than_fit_do_not_keep_others_out(
    memory_scheduler: MemoryScheduler, tmp_path: Path
) -> None:
    """Deadlines alone would not help: the oldest idle connections are closed."""
    with run_with(memory_scheduler, tmp_path, TESK_API_CONNECTIONS="64") as api:
        friend = api.connect()
        friend.request("GET", "/healthz")
        assert friend.getresponse().read()
        with raw_peers(api.port, 500):
            api.assert_serves(TASKS, BODY)
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
        api.assert_serves(TASKS, BODY)


def test_silent_readers_of_metrics_do_not_keep_clients_out(
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
        assert time.monotonic() - started < 30


def test_clients_that_do_not_read_are_disconnected(api: ApiProcess) -> None:
    contents = [{"path": f"/i/{name}", "content": "x" * 1_000_000} for name in "abcdef"]
    large = json.dumps(make_task_json(inputs=contents)).encode()
    status, body = api.request("POST", TASKS, large)
    assert status == 200
    ask = head(target=f"{TASKS}/{json.loads(body)['id']}?view=FULL")
    with raw_peers(api.port, 20, ask, receive_buffer=4096) as peers:
        api.assert_serves(TASKS, BODY)

        eventually(lambda: all(is_truncated(peer) for peer in peers))

    api.assert_serves(TASKS, BODY)


def is_truncated(peer: RawPeer) -> bool:
    """Tell whether the server has closed, without reading."""
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
