"""A TCP proxy between a client and a real server that breaks connections as told."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

_CHUNK = 16 * 1024
_TICK = 0.05  # seconds between two looks whether it ends


@dataclass(frozen=True, kw_only=True)
class Break:
    """What happens to one connection.

    Attributes:
        does: ``cut`` resets it, ``close`` ends it as if all was sent, ``stall`` lets
            nothing pass any more, ``trickle`` one byte now and then, ``corrupt`` changes
            one byte.
        after: So many bytes pass before.
        way: Those to the client (``down``) or to the server (``up``) count.
    """

    does: Literal["cut", "close", "stall", "trickle", "corrupt"]
    after: int = 0
    way: Literal["down", "up"] = "down"


@dataclass
class Proxy:
    """A running proxy.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        breaks: For the next connections, one each; None leaves one alone.
        connections: How many there were.
        outage: What happens to all: ``cut`` ends them and refuses new ones, ``stall``
            lets nothing pass until it is over.
    """

    port: int
    breaks: list[Break | None] = field(default_factory=list)
    connections: int = 0
    outage: Literal["", "cut", "stall"] = ""


@contextmanager
def tcp_proxy(
    host: str = "127.0.0.1", port: int | None = None, *, listen_port: int = 0
) -> Iterator[Proxy]:
    """Pass connections on to a server until the end of the block.

    Args:
        host: Of the server.
        port: Of the server; None: the one where the proxy listens.
        listen_port: Of the proxy; 0: any.
    """
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", listen_port)) as listener:
        proxy = Proxy(port=listener.getsockname()[1])
        target = host, proxy.port if port is None else port
        threads: list[threading.Thread] = []

        def accept() -> None:
            while not ended.is_set():
                if not select.select([listener], [], [], _TICK)[0]:
                    continue
                client = listener.accept()[0]
                proxy.connections += 1
                if proxy.outage == "cut":
                    client.close()
                    continue
                told = proxy.breaks.pop(0) if proxy.breaks else None
                thread = threading.Thread(
                    target=_serve,
                    args=(_Ends(client, target), told, proxy, ended),
                    daemon=True,
                )
                thread.start()
                threads.append(thread)

        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        try:
            yield proxy
        finally:
            ended.set()
            for thread in (acceptor, *threads):
                thread.join(100)


class _Ends(NamedTuple):
    client: socket.socket
    server: tuple[str, int]


def _serve(
    ends: _Ends, told: Break | None, proxy: Proxy, ended: threading.Event
) -> None:
    with ends.client:
        try:
            server = socket.create_connection(ends.server, 5)
        except OSError:
            return
        with server, suppress(OSError):
            _pass_on(_Pair(ends.client, server, told), proxy, ended)


class _Pair:
    """The two connections of one client."""

    def __init__(
        self, client: socket.socket, server: socket.socket, told: Break | None
    ) -> None:
        self.other = {client: server, server: client}
        self._counted = {None: None, "down": server, "up": client}[
            told.way if told else None
        ]
        self._told = told
        self._left = told.after if told else 0
        self.is_stalled = False
        self.waiting = bytearray()

    def send(self, source: socket.socket, data: bytes) -> bool:
        """Pass ``data`` on; tell whether the connections go on."""
        if self.waiting and source is self._counted:
            self.waiting += data
            return True
        if self._told is None or source is not self._counted:
            self.other[source].sendall(data)
            return True
        self.other[source].sendall(data[: self._left])
        rest = data[self._left :]
        self._left -= len(data) - len(rest)
        return not rest or self._break(source, rest)

    def trickle(self) -> None:
        """Pass on one byte of what waits."""
        if self._counted is not None:
            self.other[self._counted].sendall(self.waiting[:1])
            del self.waiting[:1]

    def _break(self, source: socket.socket, rest: bytes) -> bool:
        told = self._told
        self._told = None
        if told is None or told.does == "corrupt":
            self.other[source].sendall(bytes([rest[0] ^ 1]) + rest[1:])
            return True
        if told.does == "stall":
            self.is_stalled = True
            return True
        if told.does == "trickle":
            self.waiting += rest
            return True
        if told.does == "cut":
            reset = b"\x01\0\0\0\0\0\0\0"  # SO_LINGER of 0 s: RST
            for each in self.other:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        return False


def _pass_on(pair: _Pair, proxy: Proxy, ended: threading.Event) -> None:
    reading = list(pair.other)
    while reading and not ended.is_set():
        if proxy.outage == "cut":
            return
        if proxy.outage == "stall":
            ended.wait(_TICK)
            continue
        if pair.is_stalled:
            ended.wait(_TICK)
            # Whoever gives up ends the other, too.
            reading = [] if any(map(_has_left, pair.other)) else reading
            continue
        if pair.waiting:
            ended.wait(_TICK)
            pair.trickle()
        for source in select.select(reading, [], [], 0 if pair.waiting else _TICK)[0]:
            data = source.recv(_CHUNK)
            if not data:
                reading.remove(source)
                if not pair.waiting:
                    pair.other[source].shutdown(socket.SHUT_WR)
            elif not pair.send(source, data):
                return


def _has_left(peer: socket.socket) -> bool:
    if not select.select([peer], [], [], 0)[0]:
        return False
    try:
        return peer.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True
