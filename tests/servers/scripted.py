"""An HTTP server whose every answer is written by the test, byte by byte."""

import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Script:
    """What the server answers, and what it was asked.

    Attributes:
        answers: One for each request, in order; an empty one closes the connection, and so
            does ``connection: close``.
        tls: For clients that begin with TLS, also within a tunnel.
        tells_end: TLS tells the end of a connection (close_notify), not TCP alone.
        pause: Seconds before a body is received.
        answers_first: Answers do not wait for bodies, as if each request asked for 100
            (Continue); where one closes the connection, its body is not received.
        requests: Heads of the requests that came.
        bodies: Their bodies.
        connections: Number of connections so far.
    """

    answers: list[bytes]
    tls: ssl.SSLContext | None = None
    tells_end: bool = False
    pause: float = 0
    answers_first: bool = False
    port: int = 0
    requests: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        """Of the server."""
        return f"http://127.0.0.1:{self.port}"


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """Return a response with a body of known length."""
    lines = [f"HTTP/1.1 {status} Any", f"content-length: {len(body)}"]
    lines.extend(
        f"{name.replace('_', '-')}: {value}" for name, value in headers.items()
    )
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def scripted_server(
    *answers: bytes, tls: ssl.SSLContext | None = None, tells_end: bool = False
) -> Iterator[Script]:
    """Serve ``answers`` until the end of the block."""
    script = Script(list(answers), tls, tells_end)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        script.port = listener.getsockname()[1]
        threading.Thread(target=_accept, args=(listener, script), daemon=True).start()
        yield script


def _accept(listener: socket.socket, script: Script) -> None:
    with suppress(OSError):
        while True:
            peer, _ = listener.accept()
            script.connections += 1
            threading.Thread(target=_serve, args=(peer, script), daemon=True).start()


def _serve(peer: socket.socket, script: Script) -> None:
    received = b""
    with peer, suppress(OSError):
        while True:
            if script.tls and _begins_tls(peer):
                _serve(script.tls.wrap_socket(peer, server_side=True), script)
                return
            while b"\r\n\r\n" not in received:
                data = peer.recv(65536)
                if not data:
                    return
                received += data
            head, _, received = received.partition(b"\r\n\r\n")
            script.requests.append(head.decode())
            answer = script.answers.pop(0) if script.answers else b""
            ends = not answer or b"connection: close" in answer
            waits = b"expect: 100-continue" in head
            if waits and answer.startswith(b"HTTP/1.1 100"):
                interim, _, answer = answer.partition(b"\r\n\r\n")
                peer.sendall(interim + b"\r\n\r\n")
            elif waits or script.answers_first:
                peer.sendall(answer)
                if ends:
                    return
                answer = b""
            received = _receive_body(peer, script, _length(head), received)
            peer.sendall(answer)
            if ends:
                if script.tells_end and isinstance(peer, ssl.SSLSocket):
                    peer.unwrap()
                return


def _receive_body(
    peer: socket.socket, script: Script, length: int, received: bytes
) -> bytes:
    """Keep the body that begins with what was received; return what follows it."""
    if length:
        time.sleep(script.pause)
    while len(received) < length:
        data = peer.recv(1024 * 1024)
        if not data:
            raise ConnectionResetError
        received += data
    script.bodies.append(received[:length])
    return received[length:]


def _begins_tls(peer: socket.socket) -> bool:
    if isinstance(peer, ssl.SSLSocket):
        return False
    return peer.recv(1, socket.MSG_PEEK) == b"\x16"  # a handshake (RFC 8446, 5.1)


def _length(head: bytes) -> int:
    """Return the bytes of the body that follows a head."""
    found = re.search(rb"\r\ncontent-length: (\d+)", head.lower())
    return int(found[1]) if found else 0
