"""A server of the requests of Azure Blob Storage that the filer uses, on loopback.

``tests/contract/storage/test_azure_server.py`` shows that Microsoft's client is content
with it, and ``make azurite`` lets the same tests run on Microsoft's own emulator.
"""

import base64
import hashlib
import hmac
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

from azure.storage.blob import BlobServiceClient

from servers.serving import serving

ACCOUNT = "account"
KEY = base64.b64encode(b"the key of an account of tests").decode()
SIGNATURE = "c2lnbmF0dXJl/w=="
TOKEN = "t0ken"
ASSERTION = "jwt.of.a-workload"
VERSION = "2021-12-02"  # known to Azurite

_SIGNED = (
    *("Content-Encoding", "Content-Language", "Content-Length", "Content-MD5"),
    *("Content-Type", "Date", "If-Modified-Since", "If-Match", "If-None-Match"),
    *("If-Unmodified-Since", "Range"),
)


@dataclass
class Blob:
    """A blob."""

    content: bytes
    etag: str
    md5: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass
class BlobFiles:
    """What a server holds, by ``container/name``, and what it was asked.

    Attributes:
        blocks: Not committed, by blob and id.
        faults: Status and code that the next requests of a method get, in order; None
            for none.
        retry_after: Seconds, told with them.
        is_public: Requests may be unsigned.
        page: Maximum of blobs of a page.
        token: What is taken instead of a signature.
    """

    endpoint: str = ""
    blobs: dict[str, Blob] = field(default_factory=dict)
    blocks: dict[tuple[str, str], bytes] = field(default_factory=dict)
    faults: dict[str, list[tuple[int, str] | None]] = field(default_factory=dict)
    retry_after: str = "7"
    requests: list[str] = field(default_factory=list)
    is_public: bool = False
    page: int = 5000
    token: str = TOKEN
    changes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, name: str, blob: Blob) -> None:
        """Store a blob under an ETag of its own."""
        with self.lock:
            self.changes += 1
            blob.etag = f'"0x{self.changes:X}"'
            self.blobs[name] = blob


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: BlobFiles

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if not self._begin():
            return
        digest = base64.b64encode(
            hashlib.md5(body, usedforsecurity=False).digest()
        ).decode()
        if self.headers.get("Content-MD5", digest) != digest:
            self._refuse(400, "Md5Mismatch")
        elif self._query.get("restype") == "container":
            self._answer(201)
        elif self._query.get("comp") == "block":
            self.state.blocks[self._name, self._query["blockid"]] = body
            self._answer(201, {"Content-MD5": digest})
        elif self._query.get("comp") == "blocklist":
            self._commit(re.findall(rb"<Latest>(.*?)</Latest>", body))
        elif self.headers.get("x-ms-blob-type") != "BlockBlob":
            self._refuse(400, "MissingRequiredHeader")
        else:
            self.state.put(self._name, Blob(body, "", digest))
            self._answer(201, {"Content-MD5": digest})

    def do_POST(self) -> None:
        """Give a token for an assertion, as the identity platform does."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        fields = dict(parse_qsl(body.decode()))
        self.state.requests.append(f"{self.command} {self.path}")
        if fields.get("client_assertion") == ASSERTION:
            document, status = {"access_token": TOKEN, "expires_in": 3600}, 200
        else:
            document, status = {"error": "invalid_client"}, 401
        content = json.dumps(document).encode()
        self._answer(status, {"Content-Length": str(len(content))}, content)

    def do_GET(self) -> None:
        if not self._begin():
            return
        if self._query.get("comp") == "list":
            self._list()
        else:
            self._show(with_body=self.command == "GET")

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        if not self._begin():
            return
        if self.state.blobs.pop(self._name, None) is None:
            self._refuse(404, "BlobNotFound")
        else:
            self._answer(202)

    def _commit(self, ids: list[bytes]) -> None:
        try:
            parts = [self.state.blocks.pop((self._name, each.decode())) for each in ids]
        except KeyError:
            self._refuse(400, "InvalidBlockList")
            return
        self.state.put(self._name, Blob(b"".join(parts), ""))
        self._answer(201)

    def _show(self, *, with_body: bool) -> None:
        blob = self.state.blobs.get(self._name)
        if blob is None:
            self._refuse(404, "BlobNotFound")
            return
        if self.headers.get("If-Match", blob.etag) != blob.etag:
            self._refuse(412, "ConditionNotMet")
            return
        headers = {"ETag": blob.etag, "Content-Length": str(len(blob.content))}
        headers |= {f"x-ms-meta-{name}": text for name, text in blob.metadata.items()}
        if blob.md5:
            headers["Content-MD5"] = blob.md5
        content, status = blob.content, 200
        asked = self.headers.get("Range") or self.headers.get("x-ms-range", "")
        if asked:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            stop = min(int(last or len(content)) + 1, len(content))
            headers["Content-Range"] = f"bytes {first}-{stop - 1}/{len(content)}"
            content, status = content[int(first) : stop], 206
            headers["Content-Length"] = str(len(content))
        self._answer(status, headers, content if with_body else b"")

    def _list(self) -> None:
        top = f"{self._name}/"
        prefix = self._query.get("prefix", "")
        names = sorted(
            name.removeprefix(top)
            for name in self.state.blobs
            if name.startswith(top + prefix)
        )
        names = [name for name in names if name >= self._query.get("marker", "")]
        size = min(int(self._query.get("maxresults", "5000")), self.state.page)
        blobs = "".join(
            _described(name, self.state.blobs[top + name]) for name in names[:size]
        )
        following = escape(names[size]) if len(names) > size else ""
        document = (
            '<?xml version="1.0" encoding="utf-8"?><EnumerationResults>'
            f"<Prefix>{escape(prefix)}</Prefix><MaxResults>{size}</MaxResults>"
            f"<Blobs>{blobs}</Blobs><NextMarker>{following}</NextMarker>"
            "</EnumerationResults>"
        ).encode()
        headers = {"Content-Type": "application/xml"}
        self._answer(200, {**headers, "Content-Length": str(len(document))}, document)

    @property
    def _query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))

    @property
    def _name(self) -> str:
        """Container and name of the blob."""
        return unquote(urlsplit(self.path).path.removeprefix(f"/{ACCOUNT}/"))

    def _begin(self) -> bool:
        """Record the request; return whether it is to be answered."""
        self.state.requests.append(f"{self.command} {self.path}")
        faults = self.state.faults.get(self.command, [])
        fault = faults.pop(0) if faults else None
        if fault:
            self._refuse(*fault)
        elif not self._is_allowed():
            self._refuse(403, "AuthenticationFailed")
        else:
            return True
        return False

    def _is_allowed(self) -> bool:
        given = self.headers.get("Authorization", "")
        if given.startswith("SharedKey "):
            return given == f"SharedKey {ACCOUNT}:{self._signature()}"
        if given:
            return given == f"Bearer {self.state.token}"
        return self.state.is_public or self._query.get("sig") == SIGNATURE

    def _signature(self) -> str:
        """Return the right signature: "Authorize with Shared Key" of Azure's pages."""
        values = {name: self.headers.get(name, "") for name in _SIGNED}
        if values["Content-Length"] == "0":
            values["Content-Length"] = ""
        names = map(str.lower, self.headers)
        own = sorted(name for name in names if name.startswith("x-ms-"))
        text = "\n".join(
            [
                self.command,
                *values.values(),
                *(f"{name}:{self.headers[name]}" for name in own),
                f"/{ACCOUNT}{urlsplit(self.path).path}",
                *(f"{name}:{value}" for name, value in sorted(self._query.items())),
            ]
        )
        digest = hmac.digest(base64.b64decode(KEY), text.encode(), "sha256")
        return base64.b64encode(digest).decode()

    def _refuse(self, status: int, code: str) -> None:
        self._answer(
            status, {"x-ms-error-code": code, "Retry-After": self.state.retry_after}
        )

    def _answer(
        self, status: int, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> None:
        self.send_response(status)
        name = self._name
        if self.command == "PUT" and name in self.state.blobs:
            self.send_header("ETag", self.state.blobs[name].etag)
        self.send_header("Last-Modified", self.date_time_string())
        self.send_header("x-ms-version", VERSION)
        for each, value in {"Content-Length": "0", **(headers or {})}.items():
            self.send_header(each, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        """Say nothing."""


def _described(name: str, blob: Blob) -> str:
    metadata = "".join(f"<{key}>{text}</{key}>" for key, text in blob.metadata.items())
    return (
        f"<Blob><Name>{escape(name)}</Name><Properties>"
        f"<Content-Length>{len(blob.content)}</Content-Length>"
        f"<Etag>{blob.etag.strip(chr(34))}</Etag><Content-MD5>{blob.md5}</Content-MD5>"
        "<BlobType>BlockBlob</BlobType></Properties>"
        f"<Metadata>{metadata}</Metadata></Blob>"
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""


@contextmanager
def azure_server() -> Iterator[BlobFiles]:
    """Serve until the end of the block."""
    state = BlobFiles()
    handler = type("Handler", (_Handler,), {"state": state})
    server = _Server(("127.0.0.1", 0), handler)
    state.endpoint = f"http://127.0.0.1:{server.server_address[1]}/{ACCOUNT}"
    with serving(server):
        yield state


def microsofts_client(endpoint: str, *, key: str = KEY) -> BlobServiceClient:
    """Return Microsoft's client of an account; close it."""
    return BlobServiceClient(
        endpoint,
        credential={"account_name": ACCOUNT, "account_key": key},
        api_version=VERSION,
        retry_total=0,
        max_single_put_size=100,
        max_block_size=100,
    )
