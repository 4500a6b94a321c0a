"""Servers of the benchmark are reached later through the proxy, and all the same."""

import socket
import threading
import time

import httpx

from servers.http import http_server
from transfer_server import Server, delayed, free_ports

SECONDS = 0.2


def test_a_server_is_reached_later_and_its_responses_are_counted() -> None:
    with http_server() as web:
        web.files["/a"] = b"content"
        port = int(web.url.rpartition(":")[2])
        server = Server(f"http://127.0.0.1:{port}", port, lambda _: None)
        with delayed(server, int(SECONDS * 1000)) as far:
            began = time.monotonic()
            with httpx.Client(base_url=far.base) as client:
                assert [client.get("/a").content for _ in range(2)] == [b"content"] * 2
            seconds = time.monotonic() - began

            assert far.port != port
            assert seconds >= 3 * SECONDS  # the connection, and two requests
            assert far.responses is not None
            assert (far.responses(), far.responses()) == (2, 0)


def test_data_connections_are_delayed_at_the_same_ports() -> None:
    address, ports = "127.0.0.2", free_ports(2, "127.0.0.2")
    with socket.create_server((address, ports[1])) as listener:
        server = Server(
            f"ftp://{address}:1",
            1,
            lambda _: None,
            address=address,
            data_ports=ports,
        )

        def greet() -> None:
            with listener.accept()[0] as peer:
                peer.sendall(b"data")

        threading.Thread(target=greet, daemon=True).start()
        with delayed(server, int(SECONDS * 1000)) as far:
            began = time.monotonic()
            with socket.create_connection(("127.0.0.1", ports[1]), 30) as peer:
                assert peer.recv(4) == b"data"
            seconds = time.monotonic() - began

            assert far.base == f"ftp://127.0.0.1:{far.port}"
            assert seconds >= SECONDS


def test_a_server_that_is_near_is_reached_itself() -> None:
    server = Server("http://127.0.0.1:1", 1, lambda _: None)

    with delayed(server, 0) as near:
        assert near is server
