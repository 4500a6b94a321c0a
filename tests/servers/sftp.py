"""A real SFTP server (asyncssh) on a folder, with one account."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

_Stat = os.stat_result | asyncssh.SFTPAttrs
_Attributes = _Stat | Awaitable[_Stat]
USER, PASSWORD = "ada", "p@ss/word"  # as it stands in a url: p%40ss%2Fword


@dataclass
class SftpFiles:
    """A running server and the folder that it serves.

    Attributes:
        url: Without user.
        folder: What is served.
        known_hosts: A file with its key.
        host_key: As a line of that file, without the name.
        user_key: One that it accepts.
        logins: Users that logged in, one entry a login.
        tries: Users that tried to.
        opened: Connections that are open now.
        most_opened: As many were open at once.
        calls: What was asked for: names of methods.
    """

    url: str
    folder: Path
    known_hosts: Path
    host_key: str
    user_key: asyncssh.SSHKey
    logins: list[str] = field(default_factory=list)
    tries: list[str] = field(default_factory=list)
    opened: int = 0
    most_opened: int = 0
    calls: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def private_key(self, passphrase: str | None = None) -> str:
        """Return the accepted key in the format of OpenSSH, or PEM if it is encrypted."""
        form = "pkcs1-pem" if passphrase else "openssh"
        return self.user_key.export_private_key(form, passphrase).decode()

    @property
    def url_with_password(self) -> str:
        """Url with user and password in it, encoded."""
        return self.url.replace("://", f"://{USER}:p%40ss%2Fword@")


@dataclass(frozen=True, kw_only=True)
class SftpKind:
    """How a server differs from the usual.

    Attributes:
        replaces: Files can be renamed onto others.
        most: Connections at once; 0: any number.
        block: Bytes that it reads or writes at once.
        disk: Bytes of a file that it can store.
        stalls: It does not respond to reads.
        shrinks: Files become shorter when their second block is read.
        jumbles: The order of responses is not that of the requests.
        guards: Names of files whose attributes it does not tell.
        passwords: Passwords are accepted.
        sftp: SFTP is offered.
        mute: The request for SFTP is never answered.
    """

    replaces: bool = True
    most: int = 0
    block: int = 1 << 18
    disk: int = 1 << 40
    stalls: bool = False
    shrinks: bool = False
    jumbles: bool = False
    guards: frozenset[bytes] = frozenset()
    passwords: bool = True
    sftp: bool = True
    mute: bool = False


@contextmanager
def sftp_server(folder: Path, kind: SftpKind = SftpKind()) -> Iterator[SftpFiles]:
    """Serve ``folder`` until the end of the block; what lies beside it, too."""
    beside = folder.parent
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    user_key = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    public = host_key.export_public_key("openssh").decode().strip()
    state = SftpFiles(
        url="",
        folder=folder,
        known_hosts=beside / "known_hosts",
        host_key=public,
        user_key=user_key,
    )
    served = _Served(state, kind)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    listening = asyncio.run_coroutine_threadsafe(served.listen(host_key), loop)
    server = listening.result(100)
    state.url = f"sftp://127.0.0.1:{server.get_port()}"
    name = f"[127.0.0.1]:{server.get_port()}"
    state.known_hosts.write_text(f"{name} {public}\n")
    try:
        yield state
    finally:
        asyncio.run_coroutine_threadsafe(served.stop(server), loop).result(100)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@dataclass
class _Served:
    state: SftpFiles
    kind: SftpKind
    connections: set[asyncssh.SSHServerConnection] = field(default_factory=set)
    files: list[object] = field(default_factory=list)

    async def listen(self, host_key: asyncssh.SSHKey) -> asyncssh.SSHAcceptor:
        kind = self.kind
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[host_key],
            server_factory=lambda: _Login(self),
            sftp_factory=(lambda channel: _Files(channel, self))
            if kind.sftp and not kind.mute
            else None,
            process_factory=None if kind.mute else lambda process: process.exit(0),
            login_timeout=10,
        )

    async def stop(self, server: asyncssh.SSHAcceptor) -> None:
        server.close()
        for connection in list(self.connections):
            connection.abort()
            await connection.wait_closed()
        for file in self.files:  # of connections that were cut
            file.close()  # type: ignore[attr-defined]  # a file
        await server.wait_closed()


class _Login(asyncssh.SSHServer):
    def __init__(self, served: _Served) -> None:
        self._served = served
        self._counted = False

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        state, most = self._served.state, self._served.kind.most
        self._connection = conn
        self._served.connections.add(conn)
        if most and state.opened >= most:
            conn.abort()
            return
        self._counted = True
        state.opened += 1
        state.most_opened = max(state.most_opened, state.opened)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._served.connections.discard(self._connection)
        if self._counted:
            self._served.state.opened -= 1

    def session_requested(self) -> asyncssh.SSHServerSession[str]:
        return _Mute()  # asked for only where nothing else serves sessions

    def begin_auth(self, username: str) -> bool:
        self._served.state.tries.append(username)
        return True

    def password_auth_supported(self) -> bool:
        return self._served.kind.passwords

    def validate_password(self, username: str, password: str) -> bool:
        return self._log(username, fits=(username, password) == (USER, PASSWORD))

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        own = self._served.state.user_key.export_public_key()
        return self._log(username, fits=key.export_public_key() == own)

    def _log(self, username: str, *, fits: bool) -> bool:
        if fits:
            self._served.state.logins.append(username)
        return fits


class _Mute(asyncssh.SSHServerSession[str]):
    def subsystem_requested(self, subsystem: str) -> bool:
        del subsystem
        # What takes this for a result that comes later has no type for it.
        return None  # type: ignore[return-value]


class _Files(asyncssh.SFTPServer):
    def __init__(
        self, channel: asyncssh.SSHServerChannel[bytes], served: _Served
    ) -> None:
        super().__init__(channel)
        self._served = served
        self._kind = served.kind
        self._state = served.state
        self._folder = str(served.state.folder).encode()

    def map_path(self, path: bytes) -> bytes:
        return path if path.startswith(b"/") else self._folder + b"/" + path

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        opened = super().open(path, pflags, attrs)
        self._served.files.append(opened)
        return opened

    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        self._state.calls.append("read")
        if self._kind.stalls:
            await asyncio.sleep(60)
        if self._kind.jumbles and offset // 32768 % 2 == 0:
            await asyncio.sleep(0.002)
        if self._kind.shrinks and offset:
            os.truncate(file_obj.name, 1000)  # type: ignore[attr-defined]  # a file
        data = super().read(file_obj, offset, min(size, self._kind.block))
        return data if isinstance(data, bytes) else await data

    def write(self, file_obj: object, offset: int, data: bytes) -> int | Awaitable[int]:
        self._state.calls.append("write")
        if offset + len(data) > self._kind.disk:
            raise asyncssh.SFTPFailure("No space left on device")
        return super().write(file_obj, offset, data)

    def fstat(self, file_obj: object) -> _Attributes:
        self._state.calls.append("fstat")
        return super().fstat(file_obj)

    def stat(self, path: bytes) -> _Attributes:
        self._state.calls.append("stat")
        if path.rpartition(b"/")[2] in self._kind.guards:
            raise asyncssh.SFTPPermissionDenied("not for you")
        return super().stat(path)

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> Awaitable[None] | None:
        self._state.calls.append("posix_rename")
        if not self._kind.replaces:
            raise asyncssh.SFTPOpUnsupported("not here")
        return super().posix_rename(oldpath, newpath)
