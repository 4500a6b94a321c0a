"""Services of clouds that give tokens, on loopback: for keys, workloads and machines."""

import json
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from servers.serving import serving

_DISCOVERY = "/.well-known/openid-configuration"
TOKEN = "t0ken-of-an-identity"


@dataclass(frozen=True)
class Asked:
    """A request for a token.

    Attributes:
        fields: Of its query or form.
        headers: By name in lower case.
    """

    path: str
    fields: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass
class Identities:
    """What is asked and what is said.

    Attributes:
        address: Host and port.
        refusals: Status and document, or page, that the next requests get, in order.
        headers: Of all answers.
        discovery: What OpenID Connect tells of the service; such requests are not kept.
        hangs_up: It answers nothing.
        asked: The requests.
    """

    address: str = ""
    refusals: list[tuple[int, Mapping[str, object] | bytes]] = field(
        default_factory=list
    )
    headers: dict[str, str] = field(default_factory=dict)
    discovery: Mapping[str, object] = field(default_factory=dict)
    hangs_up: bool = False
    asked: list[Asked] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Identities

    def do_GET(self) -> None:
        self._answer(urlsplit(self.path).query)

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _answer(self, fields: str) -> None:
        state = self.state
        if state.hangs_up:
            self.close_connection = True
            return
        path = urlsplit(self.path).path
        headers = {name.lower(): text for name, text in self.headers.items()}
        if path.endswith(_DISCOVERY):
            self._send(200, state.discovery)
            return
        state.asked.append(Asked(path, dict(parse_qsl(fields)), headers))
        token = {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}
        token["expires_on"] = int(time.time()) + 3600  # of App Service
        sts = {"issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}
        status, document = (
            state.refusals.pop(0) if state.refusals else (200, token | sts)
        )
        self._send(status, document)

    def _send(self, status: int, document: Mapping[str, object] | bytes) -> None:
        if isinstance(document, bytes):
            kind, content = "text/html", document
        else:
            kind, content = "application/json", json.dumps(document).encode()
        self.send_response(status)
        for name, text in self.state.headers.items():
            self.send_header(name, text)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_args: object) -> None:
        """Log nothing."""


@contextmanager
def identity_server(tls: ssl.SSLContext | None = None) -> Iterator[Identities]:
    """Serve, by ``tls`` if there is one, and yield what is asked."""
    state = Identities()
    handler = type("Handler", (_Handler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        state.address = f"127.0.0.1:{server.server_address[1]}"
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        with serving(server):
            yield state
