"""Answers as Google Cloud Storage does when something goes wrong, on loopback.

It holds one object of any name; ``servers.gcs`` is the whole service.
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from servers.serving import serving

TOKEN = "t0ken"


def account_key(token_url: str, private: str = "") -> dict[str, str]:
    """Return the key of a service account whose tokens come from ``token_url``.

    Args:
        token_url: Of the service.
        private: Its private key in PEM; "": a new one.
    """
    if not private:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
    return {
        "type": "service_account",
        "client_email": "tesk@project.iam.gserviceaccount.com",
        "private_key": private,
        "private_key_id": "1",
        "token_uri": token_url,
    }


@dataclass
class Fault:
    """An answer instead of the right one: a status, and the reason of its error."""

    status: int
    reason: str = ""


@dataclass
class GcsFaults:
    """What happens.

    Attributes:
        url: Of the service; it gives tokens at ``/token``.
        faults: Answers to the next requests but those for tokens.
        token_faults: Answers to the next requests for tokens.
        cuts: Bytes of the next chunks that are kept before the connection is cut.
        given_up: Statuses of the next chunks, whose session is not known any more.
        content: Of the object.
        damages: Another content is stored than what was sent.
        requests: Method and path of each request.
        authorizations: Their header.
        is_ended: The session of the upload was deleted.
    """

    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    token_faults: list[Fault] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    given_up: list[int] = field(default_factory=list)
    content: bytes = b""
    damages: bool = False
    requests: list[str] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    is_ended: bool = False


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: GcsFaults

    def do_GET(self) -> None:
        if not self._begin():
            return
        if "alt=media" in self.path:
            headers = {"x-goog-generation": "1"}
            self._answer(200, self.state.content, headers)
        elif self.path.partition("?")[0].endswith("/o"):
            self._say({"items": [{**self._object(), "name": "d/a"}]})
        else:
            self._say(self._object())

    def do_POST(self) -> None:
        body = self._body()
        if self.path == "/token":
            fault = self.state.token_faults.pop(0) if self.state.token_faults else None
            status, error = (fault.status, fault.reason) if fault else (200, "")
            token = {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}
            self._say({"error": error} if fault else token, status)
            return
        if not self._begin():
            return
        if "resumable" in parse_qs(urlsplit(self.path).query)["uploadType"]:
            self.state.content = b""
            self._answer(200, b"", {"Location": f"{self.state.url}/session?secret"})
        else:
            self._store(body)

    def do_PUT(self) -> None:
        """Take a chunk, or a question how much there is."""
        span, _, total = (
            self.headers["Content-Range"].removeprefix("bytes ").partition("/")
        )
        if self.state.cuts and span != "*":
            self._keep(span, self.rfile.read(self.state.cuts.pop(0)))
            self.close_connection = True
            return
        body = self._body()
        if not self._begin():
            return
        if self.state.given_up:
            self._answer(self.state.given_up.pop(), b"")
            return
        self._keep(span, body)
        if len(self.state.content) == int(total):
            self._store(self.state.content)
        else:
            last = len(self.state.content) - 1
            self._answer(308, b"", {"Range": f"bytes=0-{last}"} if last >= 0 else {})

    def _keep(self, span: str, data: bytes) -> None:
        """Keep what is new of a chunk: "Resumable uploads" says that the rest is ignored."""
        start = span.partition("-")[0]
        known = len(self.state.content) - int(start) if start.isdecimal() else 0
        self.state.content += data[known:]

    def do_DELETE(self) -> None:
        self.state.is_ended = True
        self._answer(499, b"")

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def _begin(self) -> bool:
        self.state.requests.append(f"{self.command} {self.path.partition('?')[0]}")
        self.state.authorizations.append(self.headers.get("Authorization", ""))
        if not self.state.faults:
            return True
        fault = self.state.faults.pop(0)
        error = {"code": fault.status, "message": "at /b/bucket/o/a?secret"}
        if fault.reason:
            error["errors"] = [{"reason": fault.reason}]
        self._say({"error": error}, fault.status, {"Retry-After": "7"})
        return False

    def _store(self, content: bytes) -> None:
        self.state.content = content
        if self.state.damages:
            self.state.content = bytes(len(content))
        self._say(self._object())

    def _object(self) -> dict[str, Any]:
        content = self.state.content
        digest = hashlib.md5(content, usedforsecurity=False).digest()
        return {
            "name": "a",
            "size": str(len(content)),
            "generation": "1",
            "md5Hash": base64.b64encode(digest).decode(),
        }

    def _say(
        self,
        document: dict[str, Any],
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> None:
        self._answer(status, json.dumps(document).encode(), headers)

    def _answer(
        self, status: int, body: bytes, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, text in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""


@contextmanager
def gcs_faults() -> Iterator[GcsFaults]:
    """Serve until the end of the block."""
    state = GcsFaults()
    handler = type("Handler", (_Handler,), {"state": state})
    server = _Server(("127.0.0.1", 0), handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    with serving(server):
        yield state
