"""An HTTP storage whose every transfer waits until the test lets it pass."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Gate:
    """What the server holds, and whether transfers may pass."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.arrived = threading.Event()
        self.open = threading.Event()
        self.url = ""

    def wait_for_transfer(self) -> None:
        """Wait until a filer stands before the gate."""
        assert self.arrived.wait(100), "no filer came"
        self.arrived.clear()


@contextmanager
def gate_server() -> Iterator[Gate]:
    """Give a gate with a server behind it; closed at first."""
    gate = Gate()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            gate.arrived.set()
            gate.open.wait(60)
            self._answer(body=True)

        def do_PUT(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            gate.arrived.set()
            gate.open.wait(60)
            gate.files[self.path] = data
            self.send_response(201)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _answer(self, *, body: bool) -> None:
            data = gate.files.get(self.path)
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            if body and data:
                self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    gate.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield gate
    finally:
        gate.open.set()
        server.shutdown()
        server.server_close()
        thread.join()
