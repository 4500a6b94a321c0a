"""Servers that repeat what they are told: they put secrets wherever a client looks."""

import base64
import binascii
import socketserver
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from files.certificates import Pair
from servers.serving import serving

_XML = "<?xml version='1.0'?><Error><Code>{}</Code><Message>{}</Message></Error>"


@dataclass
class EchoServer:
    """A server that repeats.

    Attributes:
        address: ``host:port``.
        elsewhere: Where 302 and 308 lead; "" to lead to what was told, too.
        heard: Everything that clients said.
    """

    address: str = ""
    elsewhere: str = ""
    heard: list[str] = field(default_factory=list)


class _HttpHandler(BaseHTTPRequestHandler):
    """Answers with the status that the url ends in (``…/403``; else 400)."""

    protocol_version = "HTTP/1.1"
    state: EchoServer

    def _repeat(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode("latin-1")
        said = [*self.headers.values(), self.path, body]
        said += [_plain(each) for each in said]
        self.state.heard.append(f"{self.path}\n{self.headers}\n{body}\n{said}")
        told = " ".join(" ".join(said).split())
        last = unquote(self.path).partition("?")[0].rpartition("/")[2]
        status = int(last) if last.isdecimal() and len(last) == 3 else 400
        target = f"/{told.replace(' ', '/')}/400"
        if self.state.elsewhere and status in (302, 308):
            target = self.state.elsewhere
        answer = _XML.format(told.split()[-1][:60], told).encode("latin-1", "replace")
        self.wfile.write(
            f"HTTP/1.1 {status} {told}\r\n"
            f"Location: {target}\r\n"
            f"WWW-Authenticate: Basic realm={told}\r\n"
            f"Retry-After: {told}\r\n"
            f"Content-Range: {told}\r\n"
            f"ETag: {told}\r\n"
            "Content-Type: application/xml\r\n"
            "Connection: close\r\n"
            f"Content-Length: {len(answer)}\r\n\r\n".encode("latin-1", "replace")
        )
        if self.command != "HEAD":
            self.wfile.write(answer)
        self.close_connection = True

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _repeat  # noqa: N815 - names that the base class wants

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        """Say nothing."""


def _plain(text: str) -> str:
    """Return what base64 in a header stands for, if it does."""
    try:
        return base64.b64decode(text.rpartition(" ")[2], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


class _FtpHandler(socketserver.StreamRequestHandler):
    """Repeats user and password in each reply, after a login that always works."""

    state: EchoServer

    def handle(self) -> None:
        said: list[str] = []
        self._reply("220 hello")
        while line := self.rfile.readline():
            command, _, value = line.decode().strip().partition(" ")
            self.state.heard.append(line.decode())
            if command in ("USER", "PASS"):
                said.append(value)
            told = " ".join(said)
            replies = {"USER": "331", "PASS": "230", "TYPE": "200", "QUIT": "221"}
            self._reply(f"{replies.get(command, '550')} {command} {told}")

    def _reply(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""


class _FtpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""


@contextmanager
def http_echo_server(identity: Pair | None = None) -> Iterator[EchoServer]:
    """Serve HTTP, by TLS as ``identity`` if there is one, until the end of the block."""
    with _serving(_HttpServer, _HttpHandler, identity) as state:
        yield state


@contextmanager
def ftp_echo_server() -> Iterator[EchoServer]:
    """Serve FTP until the end of the block."""
    with _serving(_FtpServer, _FtpHandler) as state:
        yield state


@contextmanager
def _serving(
    server_type: Any, handler_type: Any, identity: Pair | None = None
) -> Iterator[EchoServer]:
    state = EchoServer()
    server = server_type(
        ("127.0.0.1", 0), type("Handler", (handler_type,), {"state": state})
    )
    if identity:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity.certificate, identity.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    state.address = f"127.0.0.1:{server.server_address[1]}"
    with serving(server):
        yield state
