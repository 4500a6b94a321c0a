"""A real FTP server (pyftpdlib) on a folder, with one account and anonymous."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

with warnings.catch_warnings():
    # It uses asyncore where Python still has it (3.11), and says so. It has no
    # types either: imported this way, it is Any.
    warnings.simplefilter("ignore", DeprecationWarning)
    _authorizers = import_module("pyftpdlib.authorizers")
    _handlers = import_module("pyftpdlib.handlers")
    _ioloop = import_module("pyftpdlib.ioloop")
    _servers = import_module("pyftpdlib.servers")

USER, PASSWORD = "ada", "p@ss/word"  # as it stands in a url: p%40ss%2Fword


@dataclass
class FtpFiles:
    """A running server and the folder that it serves.

    Attributes:
        url: Without user; anonymous may write, too.
        short_reads: Downloads to cut short: the data ends early and the server
            says 226 all the same.
        logins: Accounts that logged in, one entry a login.
    """

    url: str
    folder: Path
    short_reads: list[int] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)

    @property
    def url_with_password(self) -> str:
        """Url with user and password in it, encoded."""
        return self.url.replace("://", f"://{USER}:p%40ss%2Fword@")


@contextmanager
def ftp_server(
    folder: Path, *, has_mlsd: bool = True, port: int = 0
) -> Iterator[FtpFiles]:
    """Serve ``folder`` until the end of the block; ``port`` 0: any."""
    # Without a handler of ours it would set up the logging of this process.
    logger = logging.getLogger("pyftpdlib")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    state = FtpFiles(url="", folder=folder)
    authorizer = _authorizers.DummyAuthorizer()
    authorizer.add_user(USER, PASSWORD, str(folder), perm="elradfmwMT")
    # It warns that anonymous may write; that is the point here.
    authorizer.user_table["anonymous"] = {
        **authorizer.user_table[USER],
        "pwd": "",
    }
    loop = _ioloop.IOLoop()
    server = _servers.FTPServer(
        ("127.0.0.1", port), _handler(state, authorizer, has_mlsd), loop
    )
    state.url = f"ftp://127.0.0.1:{server.socket.getsockname()[1]}"
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            loop.loop(timeout=0.02, blocking=False)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        stop.set()
        thread.join()
        server.close_all()


def _handler(state: FtpFiles, authorizer: Any, has_mlsd: bool) -> Any:
    class Data(_handlers.DTPHandler):  # type: ignore[misc, name-defined]  # untyped
        def push_with_producer(self, producer: Any) -> None:
            if state.short_reads:
                limit = state.short_reads.pop(0)
                producer = _Short(producer, limit)
            super().push_with_producer(producer)

        # sendfile(2) would pass by the producer
        def use_sendfile(self) -> bool:
            return False

    class Handler(_handlers.FTPHandler):  # type: ignore[misc, name-defined]  # untyped
        dtp_handler = Data
        use_sendfile = False
        auth_failed_timeout = 0
        proto_cmds: ClassVar[dict[str, Any]] = {
            name: command
            for name, command in _handlers.FTPHandler.proto_cmds.items()
            if has_mlsd or name not in ("MLSD", "MLST")
        }

        def on_login(self, username: str) -> None:
            state.logins.append(username)

    Handler.authorizer = authorizer
    return Handler


class _Short:
    """Gives only the first bytes of what it wraps."""

    def __init__(self, producer: Any, limit: int) -> None:
        self._producer = producer
        self._left = limit
        self.file = getattr(producer, "file", None)

    def more(self) -> bytes:
        data: bytes = self._producer.more()[: self._left]
        self._left -= len(data)
        return data
