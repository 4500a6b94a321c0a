"""An HTTP storage, run in a pod, that can hold transfers back.

The first part of a path is the key of its gate. ``/-/…`` is for the tests:
``POST /-/open/KEY``, ``POST /-/close/KEY``, ``GET /-/arrived/KEY`` (how many
transfers came to the gate), ``GET /-/names``; ``PUT`` and ``GET /-/file/PATH``
pass by the gates. Needs nothing but Python.
"""

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8000
FILES: dict[str, bytes] = {}
CLOSED: set[str] = set()
ARRIVED: Counter[str] = Counter()
CHANGED = threading.Condition()


class Handler(BaseHTTPRequestHandler):
    """Answers tasks and tests."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        """Say how long a file is."""
        self._answer_file(self.path)

    def do_GET(self) -> None:
        """Give a file, or answer a test."""
        if self.path.startswith("/-/arrived/"):
            self._answer(200, str(ARRIVED[self.path.split("/")[3]]).encode())
        elif self.path == "/-/names":
            self._answer(200, json.dumps(sorted(FILES)).encode())
        elif self.path.startswith("/-/file/"):
            self._answer_file(self.path.removeprefix("/-/file"))
        else:
            self._pass_gate()
            self._answer_file(self.path)

    def do_PUT(self) -> None:
        """Store a file."""
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/-/file/"):
            FILES[self.path.removeprefix("/-/file")] = data
        else:
            self._pass_gate()
            FILES[self.path] = data
        self._answer(201)

    def do_POST(self) -> None:
        """Open or close a gate."""
        _, _, action, key = self.path.split("/")
        with CHANGED:
            if action == "open":
                CLOSED.discard(key)
            else:
                CLOSED.add(key)
            CHANGED.notify_all()
        self._answer(200)

    def _pass_gate(self) -> None:
        key = self.path.split("/")[1]
        with CHANGED:
            ARRIVED[key] += 1
            CHANGED.wait_for(lambda: key not in CLOSED, timeout=300)

    def _answer_file(self, path: str) -> None:
        data = FILES.get(path)
        self._answer(404 if data is None else 200, data or b"")

    def _answer(self, status: int, data: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Lets many wait to be heard: all tasks of a test may come at once."""

    request_queue_size = 128


if __name__ == "__main__":
    Server(("", PORT), Handler).serve_forever()
