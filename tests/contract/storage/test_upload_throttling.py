"""A service of S3 that is sent too many parts of a file at once gets fewer."""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from contract.storage.clouds import open_s3
from contract.storage.places import Place
from fakes.filer_credentials import FixedCredentials
from servers.serving import serving
from tesk_filer.domain.credentials import S3Account, S3Keys

LARGE = 33 * 1024 * 1024  # two parts
LONGER_THAN_A_PAUSE = 1.0  # seconds; the first one is half of one at most
BEGUN = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
JOINED = b"<CompleteMultipartUploadResult/>"


@dataclass
class Parts:
    """What the service got.

    Attributes:
        refused: Parts; the first one is.
        together: Set when two parts are there at once after that.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    refused: int = 0
    under_way: int = 0
    together: threading.Event = field(default_factory=threading.Event)

    def take(self) -> bool:
        """Tell whether a part is taken; hold it for as long as another one may come."""
        with self.lock:
            if not self.refused:
                self.refused += 1
                return False
            self.under_way += 1
            if self.under_way > 1:
                self.together.set()
        self.together.wait(LONGER_THAN_A_PAUSE)
        with self.lock:
            self.under_way -= 1
        return True


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    parts: ClassVar[Parts]

    def do_POST(self) -> None:
        self._receive()
        self._send(200, BEGUN if "uploads" in self.path else JOINED)

    def do_PUT(self) -> None:
        self._receive()
        self._send(200 if self.parts.take() else 503)

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(LARGE))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Be quiet."""

    def _receive(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))

    def _send(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def parts() -> Parts:
    return Parts()


@pytest.fixture
def s3(parts: Parts) -> Iterator[Place]:
    """S3 that takes two parts at once as long as the service does not complain."""
    handler = type("OwnHandler", (Handler,), {"parts": parts})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    keys = S3Keys(access_key="AKIA1", secret_key="s3cr3t")
    endpoint = f"http://127.0.0.1:{server.server_port}"
    account = S3Account(endpoint=endpoint, region="r1", keys=keys)
    storage = open_s3(FixedCredentials(account), connections=2)
    with serving(server), closing(storage):
        yield Place(storage, "s3://bucket")


def test_a_service_that_complains_about_a_part_gets_half_as_many_at_once(
    s3: Place, parts: Parts
) -> None:
    s3.put("s3://bucket/a", bytes(LARGE))

    assert parts.refused == 1
    assert not parts.together.is_set()
