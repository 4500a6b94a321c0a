"""A namenode and a datanode that speak WebHDFS on loopback.

Only the namenode is asked; for the bytes of files it sends clients to the datanode.
``tests/contract/storage/test_webhdfs.py`` shows that smart_open is content with them.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from servers.serving import serving

_PREFIX = "/webhdfs/v1"
_REDIRECTED = ("OPEN", "CREATE", "APPEND")
_NONE: Mapping[str, Any] = {}


@dataclass
class File:
    """A file; None as content: a directory."""

    content: bytes | None
    changed: int
    kind: str = "FILE"


@dataclass
class HdfsFiles:
    """What a server holds, by path, and what it was asked.

    Attributes:
        faults: Status and exception that the next operations get, in order.
        requests: Node, method and operation.
        users: Of each operation, as the namenode understood it.
        tokens: Delegation tokens, likewise.
        authorizations: Headers that the datanode got.
        page: Maximum of entries of a page of a listing.
        has_pages: Directories can be listed in pages.
        overwrites: A file can be renamed to another one; else it moves into a directory
            that has its new name.
        tells_access: It can be asked for permissions.
        cut_at: The datanode sends so many bytes, and hangs up.
        change_after_open: Path of a file that changes when it is opened.
        datanode: Host and port to which the namenode sends.
        listing: What it answers when it is asked for a page of a directory; None: what
            is there.
        unanswered: Operations that are done, once each, and whose answers are lost.
    """

    url: str = ""
    files: dict[str, File] = field(default_factory=dict)
    faults: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    page: int = 2
    has_pages: bool = True
    overwrites: bool = True
    tells_access: bool = True
    cut_at: int | None = None
    change_after_open: str = ""
    datanode: str = ""
    listing: Mapping[str, Any] | None = None
    unanswered: list[str] = field(default_factory=list)
    clock: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def put(self, path: str, content: bytes | None, kind: str = "FILE") -> None:
        """Store a file, or with None a directory, and make its parents."""
        with self.lock:
            self.clock += 1
            parent = path.rstrip("/").rpartition("/")[0]
            if parent and parent not in self.files:
                self.put(parent, None)
            self.files[path] = File(content, self.clock, kind)

    def children(self, path: str) -> list[str]:
        """Return the names in a directory, sorted."""
        top = path.rstrip("/") + "/"
        below = (each[len(top) :] for each in self.files if each.startswith(top))
        return sorted(name for name in below if name and "/" not in name)


class _RefusedError(Exception):
    def __init__(self, status: int, name: str) -> None:
        super().__init__(name)
        self.status = status


class _Node(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: HdfsFiles
    node: str

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        if len(body) < length:
            return  # the client hung up
        operation = self._query.get("op", "")
        self.state.requests.append((self.node, self.command, operation))
        try:
            self._fail(operation)
            self._serve(operation, body)
        except _RefusedError as refusal:
            reason = {"exception": str(refusal), "message": f"at {self._path}"}
            self._say({"RemoteException": reason}, refusal.status)

    def do_PUT(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def _fail(self, operation: str) -> None:
        faults = self.state.faults.get(operation, [])
        if faults:
            raise _RefusedError(*faults.pop(0))

    def _serve(self, operation: str, body: bytes) -> None:
        raise NotImplementedError

    @property
    def _query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.path).query))

    @property
    def _path(self) -> str:
        path = unquote(urlsplit(self.path).path.removeprefix(_PREFIX))
        return path.rstrip("/") or "/"

    def _found(self, path: str) -> File:
        if path == "/":
            return File(None, 0)
        with self.state.lock:
            if path not in self.state.files:
                raise _RefusedError(404, "FileNotFoundException")
            return self.state.files[path]

    def _say(self, document: Mapping[str, Any], status: int = 200) -> None:
        body = json.dumps(document).encode() if document else b""
        self._answer(status, {"Content-Type": "application/json"}, body)

    def _answer(
        self,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        cut: int | None = None,
    ) -> None:
        operation = self._query.get("op", "")
        if operation in self.state.unanswered:
            self.state.unanswered.remove(operation)
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:cut])
        self.close_connection = cut is not None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        """Say nothing."""


class _NameNode(_Node):
    def _serve(self, operation: str, body: bytes) -> None:
        if body:
            raise _RefusedError(400, "IllegalArgumentException")  # it takes no bytes
        query = self._query
        self.state.users.append(query.get("user.name", "dr.who"))
        self.state.tokens.append(query.get("delegation", ""))
        if operation in _REDIRECTED:
            self._redirect(operation)
        elif operation == "GETFILESTATUS":
            self._say({"FileStatus": self._status("", self._path)})
        elif operation in ("LISTSTATUS", "LISTSTATUS_BATCH"):
            self._list(query)
        elif operation == "CHECKACCESS" and self.state.tells_access:
            self._found(self._path)
            self._say(_NONE)
        elif operation == "MKDIRS":
            if not self._is_directory(self._path):
                self.state.put(self._path, None)
            self._say({"boolean": True})
        elif operation == "RENAME":
            self._rename(query)
        elif operation == "DELETE":
            self._say({"boolean": self.state.files.pop(self._path, None) is not None})
        else:
            raise _RefusedError(400, "IllegalArgumentException")

    def _redirect(self, operation: str) -> None:
        if operation == "OPEN" and self._found(self._path).content is None:
            raise _RefusedError(404, "FileNotFoundException")
        if operation == "CREATE" and self._is_directory(self._path):
            raise _RefusedError(403, "FileAlreadyExistsException")
        query = urlencode({**self._query, "namenoderpcaddress": "nn:8020"})
        target = f"http://{self.state.datanode}{_PREFIX}{quote(self._path)}?{query}"
        self._answer(307, {"Location": target}, b"")

    def _is_directory(self, path: str) -> bool:
        file = self.state.files.get(path)
        return path == "/" or (file is not None and file.content is None)

    def _names(self) -> list[dict[str, Any]]:
        if self._found(self._path).content is not None:
            return [self._status("", self._path)]
        top = self._path.rstrip("/")
        return [
            self._status(name, f"{top}/{name}")
            for name in self.state.children(self._path)
        ]

    def _list(self, query: Mapping[str, str]) -> None:
        if query["op"] == "LISTSTATUS":
            self._say({"FileStatuses": {"FileStatus": self._names()}})
        elif self.state.listing is not None:
            self._say(self.state.listing)
        elif self.state.has_pages:
            self._list_batch(query.get("startAfter", ""))
        else:
            raise _RefusedError(400, "IllegalArgumentException")

    def _list_batch(self, last: str) -> None:
        names = [
            each for each in self._names() if each["pathSuffix"] > last or not last
        ]
        page = names[: self.state.page]
        listing = {
            "partialListing": {"FileStatuses": {"FileStatus": page}},
            "remainingEntries": len(names) - len(page),
        }
        self._say({"DirectoryListing": listing})

    def _rename(self, query: Mapping[str, str]) -> None:
        target = query["destination"]
        overwrites = self.state.overwrites and query.get("renameoptions") == "OVERWRITE"
        if self._is_directory(target):
            if self.state.overwrites:
                raise _RefusedError(403, "FileAlreadyExistsException")
            target = f"{target.rstrip('/')}/{self._path.rpartition('/')[2]}"
        if target in self.state.files and not overwrites:
            self._say({"boolean": False})
            return
        content = self._found(self._path).content
        with self.state.lock:
            self.state.put(target, content)
            del self.state.files[self._path]
        self._say(_NONE if overwrites else {"boolean": True})

    def _status(self, name: str, path: str) -> dict[str, Any]:
        file = self._found(path)
        return {
            "pathSuffix": name,
            "type": "DIRECTORY" if file.content is None else file.kind,
            "length": len(file.content or b""),
            "modificationTime": file.changed,
            "fileId": 16384,
            "permission": "644",
        }


class _DataNode(_Node):
    def _serve(self, operation: str, body: bytes) -> None:
        self.state.authorizations.append(self.headers.get("Authorization", ""))
        if operation == "CREATE":
            self.state.put(self._path, body)
            self._answer(201, {}, b"")
        elif operation == "APPEND":
            self.state.put(self._path, (self._found(self._path).content or b"") + body)
            self._answer(200, {}, b"")
        elif operation == "OPEN":
            self._open()
        else:
            raise _RefusedError(400, "IllegalArgumentException")

    def _open(self) -> None:
        content = self._found(self._path).content or b""
        first = int(self._query.get("offset", "0"))
        if first > len(content):
            raise _RefusedError(403, "IOException")
        length = int(self._query.get("length", len(content)))
        sent = content[first : first + length]
        if self.state.change_after_open == self._path:
            self.state.put(self._path, content + b"more")
        self._answer(200, {}, sent, self.state.cut_at)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""


@contextmanager
def webhdfs_server() -> Iterator[HdfsFiles]:
    """Serve until the end of the block."""
    state = HdfsFiles()
    with ExitStack() as stack:
        namenode = _serve(stack, _NameNode, state, "namenode")
        state.datanode = _serve(stack, _DataNode, state, "datanode")
        state.url = f"webhdfs://{namenode}"
        yield state


def _serve(stack: ExitStack, kind: type[_Node], state: HdfsFiles, node: str) -> str:
    handler = type(node, (kind,), {"state": state, "node": node})
    server = _Server(("127.0.0.1", 0), handler)
    stack.enter_context(serving(server))
    return f"127.0.0.1:{server.server_address[1]}"
