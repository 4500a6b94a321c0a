"""Receives webhooks in a pod, and shows tests what came, in the order of arrival.

``GET /-/received``: a list of path, headers and body of each request. Needs nothing
but Python.
"""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8000
RECEIVED: list[dict[str, object]] = []


class Handler(BaseHTTPRequestHandler):
    """Accepts everything."""

    def do_POST(self) -> None:
        """Keep an event."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        headers = {name.lower(): text for name, text in self.headers.items()}
        RECEIVED.append({"path": self.path, "headers": headers, "body": body})
        self._answer(204)

    def do_GET(self) -> None:
        """Show all."""
        self._answer(200, json.dumps(RECEIVED).encode())

    def _answer(self, status: int, data: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("", PORT), Handler).serve_forever()
