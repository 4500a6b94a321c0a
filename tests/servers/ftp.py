"""A real FTP server (pyftpdlib) on a folder, with one account and anonymous."""

import glob
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from files.certificates import Pair

with warnings.catch_warnings():
    # It uses asyncore where Python still has it (3.11), and says so. It has no
    # types either: imported this way, it is Any.
    warnings.simplefilter("ignore", DeprecationWarning)
    _authorizers = import_module("pyftpdlib.authorizers")
    _filesystems = import_module("pyftpdlib.filesystems")
    _handlers = import_module("pyftpdlib.handlers")
    _ioloop = import_module("pyftpdlib.ioloop")
    _servers = import_module("pyftpdlib.servers")
    _ssl = import_module("OpenSSL.SSL")

_COURTEOUS = frozenset({"220", "226", "250", "421", "530"})
USER, PASSWORD = "ada", "p@ss/word"  # as it stands in a url: p%40ss%2Fword


@dataclass
class FtpFiles:
    """A running server and the folder that it serves.

    Attributes:
        url: Without user; anonymous may write, too.
        short_reads: Downloads to cut short: the data ends early and the server
            says 226 all the same.
        logins: Accounts that logged in, one entry a login.
        commands: What was asked.
    """

    url: str
    folder: Path
    short_reads: list[int] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    @property
    def url_with_password(self) -> str:
        """Url with user and password in it, encoded."""
        return self.url.replace("://", f"://{USER}:p%40ss%2Fword@")


@dataclass(frozen=True, kw_only=True)
class FtpKind:
    """How a server differs from the usual.

    Attributes:
        without: Commands that it does not know.
        is_open: Users are put into the folder, not locked in.
        takes_patterns: The argument of MLSD and NLST is a pattern, as for pure-ftpd.
        refuses_dots: No name may begin with a dot.
        keeps_files: What is there cannot be written again.
        is_full: Nothing can be written.
        cannot_open: Directories are listed as if they were empty, as by vsftpd.
        ends_at_once: Listings end without having begun, as far as replies say.
        permissions: Of pyftpdlib; all by default.
        tls: When TLS is spoken.
        wants_reuse: Data connections must resume the session of the control connection.
        most: Connections at once; 0: any number.
        is_latin: Names and replies are in Latin-1, and some replies beyond ASCII.
    """

    without: frozenset[str] = frozenset()
    is_open: bool = False
    takes_patterns: bool = False
    refuses_dots: bool = False
    keeps_files: bool = False
    is_full: bool = False
    cannot_open: bool = False
    ends_at_once: bool = False
    permissions: str = "elradfmwMT"
    tls: Literal["never", "asked", "first"] = "never"
    wants_reuse: bool = False
    most: int = 0
    is_latin: bool = False


@contextmanager
def ftp_server(
    folder: Path,
    kind: FtpKind = FtpKind(),
    *,
    port: int = 0,
    identity: Pair | None = None,
    address: str = "127.0.0.1",
    data_port: int = 0,
) -> Iterator[FtpFiles]:
    """Serve ``folder`` until the end of the block.

    Args:
        folder: What is served.
        kind: How.
        port: Where; 0: anywhere.
        identity: For TLS.
        address: Where, on this machine.
        data_port: Of data connections; 0: any.
    """
    # Without a handler of ours it would set up the logging of this process.
    logger = logging.getLogger("pyftpdlib")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    state = FtpFiles(url="", folder=folder)
    authorizer = _authorizers.DummyAuthorizer()
    # It warns that anonymous may write; that is the point here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        authorizer.add_user(USER, PASSWORD, str(folder), perm=kind.permissions)
    authorizer.user_table["anonymous"] = {
        **authorizer.user_table[USER],
        "pwd": "",
    }
    loop = _ioloop.IOLoop()
    server = _servers.FTPServer(
        (address, port), _handler(state, authorizer, kind, identity), loop
    )
    if data_port:
        server.handler.passive_ports = [data_port]
    server.max_cons_per_ip = kind.most
    scheme = "ftp" if kind.tls == "never" else "ftps"
    state.url = f"{scheme}://{address}:{server.socket.getsockname()[1]}"
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


def _handler(
    state: FtpFiles, authorizer: Any, kind: FtpKind, identity: Pair | None
) -> Any:
    control: list[type] = [_Handler]
    data: list[type] = [_Data]
    known = dict(_handlers.FTPHandler.proto_cmds)
    facts: dict[str, Any] = {}
    if identity and kind.tls != "never":
        control.append(_handlers.TLS_FTPHandler)
        data.append(_handlers.TLS_DTPHandler)
        known = dict(_handlers.TLS_FTPHandler.proto_cmds)
        facts = {
            "ssl_context": _tls(identity),
            "tls_control_required": True,
            "tls_data_required": True,
        }
    facts |= {
        "authorizer": authorizer,
        "state": state,
        "kind": kind,
        "dtp_handler": type("Data", tuple(data), {"state": state, "kind": kind}),
        "abstracted_fs": _Open if kind.is_open else _filesystems.AbstractedFS,
        "encoding": "latin-1" if kind.is_latin else "utf-8",
        "proto_cmds": {
            name: made for name, made in known.items() if name not in kind.without
        },
    }
    return type("Handler", tuple(control), facts)


def _tls(identity: Pair) -> Any:
    context = _ssl.Context(_ssl.TLS_SERVER_METHOD)
    context.use_certificate_chain_file(str(identity.certificate))
    context.use_privatekey_file(str(identity.key))
    context.set_session_id(b"tests")
    return context


class _Data(_handlers.DTPHandler):  # type: ignore[misc, name-defined]  # untyped
    state: FtpFiles
    kind: FtpKind

    def handle_ssl_established(self) -> None:
        # Nothing public tells it.
        is_reused = _ssl._lib.SSL_session_reused(self.socket._ssl)
        if self.kind.wants_reuse and not is_reused:
            self.cmd_channel.respond("522 The session must be resumed.")
            self.close()

    def push_with_producer(self, producer: Any) -> None:
        if self.state.short_reads:
            producer = _Short(producer, self.state.short_reads.pop(0))
        super().push_with_producer(producer)

    # sendfile(2) would pass by the producer
    def use_sendfile(self) -> bool:
        return False


class _Handler(_handlers.FTPHandler):  # type: ignore[misc, name-defined]  # untyped
    use_sendfile = False
    auth_failed_timeout = 0
    state: FtpFiles
    kind: FtpKind
    asked = ""
    _begins_silently = False

    def handle(self) -> None:
        if self.kind.tls != "first":
            super().handle()
            return
        self.secure_connection(self.ssl_context)

    def handle_ssl_established(self) -> None:
        if self.kind.tls == "first":
            super().handle()

    def on_login(self, username: str) -> None:
        self.state.logins.append(username)

    def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
        self.asked = arg
        self.state.commands.append(cmd)
        super().pre_process_command(line, cmd, arg)

    def ftp_STOR(self, file: str, mode: str = "w") -> Any:  # noqa: N802 - as pyftpdlib
        if self.kind.refuses_dots and Path(file).name.startswith("."):
            self.respond("553 Prohibited file name.")
            return None
        if self.kind.is_full:
            self.respond("452 Insufficient storage space.")
            return None
        if self.kind.keeps_files and Path(file).exists():
            self.respond("553 It is there already.")
            return None
        return super().ftp_STOR(file, mode)

    def push_dtp_data(self, data: Any, *args: Any, **options: Any) -> None:
        self._begins_silently = self.kind.ends_at_once and options["cmd"] != "RETR"
        super().push_dtp_data(data, *args, **options)
        self._begins_silently = False

    def ftp_MLSD(self, path: str) -> Any:  # noqa: N802 - as pyftpdlib
        if self._matches_nothing(path):
            return self.push_dtp_data(b"", cmd="MLSD")
        return super().ftp_MLSD(path)

    def respond(self, resp: str, logfun: Any = None) -> None:
        if self._begins_silently and resp.startswith("1"):
            return
        if self.kind.cannot_open and resp.startswith("226"):
            resp = "226 Transfer done (but failed to open directory)."
        if self.kind.is_latin and resp[:3] in _COURTEOUS:
            resp += " Enchant\xe9"
        super().respond(resp, *([logfun] if logfun else []))

    def ftp_NLST(self, path: str) -> Any:  # noqa: N802 - as pyftpdlib
        if self.kind.cannot_open or self._matches_nothing(path):
            return self.push_dtp_data(b"", cmd="NLST")
        return super().ftp_NLST(path)

    def _matches_nothing(self, path: str) -> bool:
        # That the argument is a pattern is what the server gets wrong.
        taken = self.kind.takes_patterns and self.asked
        return bool(taken) and not glob.glob(path)  # noqa: PTH207 - as it does


class _Open(_filesystems.UnixFilesystem):  # type: ignore[misc, name-defined]  # untyped
    """The whole file system, seen from the user's folder."""

    def __init__(self, root: str, cmd_channel: Any) -> None:
        super().__init__(root, cmd_channel)
        self.root = "/"
        self.cwd = root


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
