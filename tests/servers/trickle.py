"""A server of any protocol that begins to answer, and then sends a byte now and then."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_PAUSE = 0.05  # seconds


@contextmanager
def trickling_server(begin: bytes, *, then: bytes = b"x") -> Iterator[int]:
    """Answer every connection until the end of the block; give the port, on loopback.

    Args:
        begin: Sent at once, whatever was asked.
        then: Sent after each pause, for ever.
    """
    ended = threading.Event()

    def serve(peer: socket.socket) -> None:
        with peer, suppress(OSError):
            peer.sendall(begin)
            while not ended.wait(_PAUSE):
                peer.sendall(then)

    def accept() -> None:
        with suppress(OSError):
            while True:
                peer, _ = listener.accept()
                threading.Thread(target=serve, args=(peer,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
