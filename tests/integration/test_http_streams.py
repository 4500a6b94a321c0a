"""Responses that go on hold no thread, and no client holds them."""

import http.client
import queue
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from clients.raw_http import RawPeer
from programs.waiting import eventually
from tesk_runtime.http.limits import HttpLimits
from tesk_runtime.http.process import Endpoint, listen, serve_in_thread
from tesk_runtime.http.server import Service
from tesk_runtime.http.streaming import MAX_UNSENT, STREAM, Sink

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LIMITS = HttpLimits(streams=200, send_time=timedelta(seconds=1))


@dataclass
class Streams:
    """An application whose ``/stream`` goes on; satisfies ``Stream`` itself."""

    port: int = 0
    sinks: "queue.Queue[Sink]" = field(default_factory=queue.Queue)
    closed: list[None] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)

    def __call__(
        self, environ: "WSGIEnvironment", start: "StartResponse"
    ) -> "Iterable[bytes]":
        start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "0")])
        self.threads.add(threading.current_thread().name)
        if environ["PATH_INFO"] == "/stream":
            environ[STREAM] = self
        return [b""]

    def open(self, sink: Sink) -> None:
        self.sinks.put(sink)

    def close(self) -> None:
        self.closed.append(None)

    def sink(self) -> Sink:
        return self.sinks.get(timeout=20)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def follow(self) -> http.client.HTTPResponse:
        connection = self.connect()
        connection.request("GET", "/stream")
        return connection.getresponse()

    def is_answering(self) -> bool:
        with closing(self.connect()) as connection:
            connection.request("GET", "/")
            return connection.getresponse().status == 200


@pytest.fixture
def streams() -> Iterator[Streams]:
    app = Streams()
    listener = listen("127.0.0.1", 0)
    app.port = listener.getsockname()[1]
    end = serve_in_thread(Endpoint(listener, Service(app=app, threads=1), LIMITS))
    yield app
    end()


def test_what_is_sent_arrives_until_the_end(streams: Streams) -> None:
    answer = streams.follow()
    sink = streams.sink()

    sink.send(b"one")
    first = answer.read(3)
    sink.send(b"two")
    sink.end()

    assert (first, answer.read()) == (b"one", b"two")
    assert answer.getheader("Content-Length") is None
    eventually(lambda: len(streams.closed) == 1)
    sink.send(b"nobody is there any more")


def test_listeners_hold_no_thread(streams: Streams) -> None:
    answers = [streams.follow() for _ in range(150)]
    sinks = [streams.sink() for _ in answers]

    assert streams.is_answering()
    for sink in sinks:
        sink.send(b"x")
    assert [answer.read(1) for answer in answers] == [b"x"] * 150
    assert len(streams.threads) == 1


def test_a_client_that_goes_is_noticed(streams: Streams) -> None:
    peer = RawPeer(streams.port)
    peer.send(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n")
    streams.sink()

    peer.close()

    eventually(lambda: len(streams.closed) == 1)


def test_more_listeners_than_may_be_are_refused(streams: Streams) -> None:
    answers = [streams.follow() for _ in range(LIMITS.streams)]

    refused = streams.follow()

    assert refused.status == 503
    assert b"too many clients listen" in refused.read()
    assert {answer.status for answer in answers} == {200}
    assert streams.is_answering()


def test_a_client_that_does_not_read_is_cut_off(streams: Streams) -> None:
    peer = RawPeer(streams.port, receive_buffer=4096)
    peer.send(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n")
    sink = streams.sink()

    for _ in range(200):
        sink.send(bytes(MAX_UNSENT // 4))

    eventually(lambda: len(streams.closed) == 1)
    assert streams.is_answering()
    peer.close()


def test_what_is_sent_ahead_behind_a_stream_is_no_request(streams: Streams) -> None:
    peer = RawPeer(streams.port)
    peer.send(
        b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"
    )
    sink = streams.sink()
    peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 100)
    sink.send(b"only this")
    sink.end()

    assert peer.read_answers().count(b"HTTP/1.1 200") == 1
    peer.close()


def test_the_head_of_a_stream_has_no_stream(streams: Streams) -> None:
    with closing(streams.connect()) as connection:
        connection.request("HEAD", "/stream")
        assert connection.getresponse().read() == b""

    assert streams.sinks.empty()


def test_a_server_that_ends_ends_its_streams() -> None:
    app = Streams()
    listener = listen("127.0.0.1", 0)
    app.port = listener.getsockname()[1]
    limits = replace(LIMITS, streams=5)
    end = serve_in_thread(Endpoint(listener, Service(app=app, threads=1), limits))
    answer = app.follow()
    app.sink()

    end()

    assert answer.read() == b""
