"""A web server that answers as a test says, and remembers what it was asked."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Script:
    """What a server answers, one after the other; the last one for ever.

    Attributes:
        answers: Status, headers and body of each.
        before_answer: Called with each request, on the thread that answers.
        requests: Methods and paths that were asked for.
        tokens: Their headers ``Authorization``.
    """

    answers: list[tuple[int, dict[str, str], str]]
    before_answer: Callable[[], object] = lambda: None
    requests: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)


@contextmanager
def serving(script: Script, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve at an address of this machine, by HTTPS if there is a context."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            script.requests.append(f"{self.command} {self.path}")
            script.tokens.append(self.headers.get("Authorization", ""))
            script.before_answer()
            many = len(script.answers) > 1
            code, headers, body = script.answers.pop(0) if many else script.answers[0]
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the names of http.server

        def log_message(self, *_: object) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    scheme = "http" if context is None else "https"
    yield f"{scheme}://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Ignore a client that refuses the certificate."""
