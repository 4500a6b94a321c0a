"""Runs a server in a thread of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import BaseServer

_LOOK = 0.02  # seconds between two looks whether it is to end


@contextmanager
def serving(server: BaseServer) -> Iterator[None]:
    """Serve until the end of the block; then close the server."""
    thread = threading.Thread(target=server.serve_forever, args=(_LOOK,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
