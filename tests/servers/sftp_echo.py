"""An SFTP server that lets everybody in, does nothing, and repeats what it was told."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import asyncssh

from servers.echo import EchoServer


class _Login(asyncssh.SSHServer):
    def __init__(self, state: EchoServer) -> None:
        self._state = state

    def begin_auth(self, username: str) -> bool:
        self._state.heard.append(username)
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        self._state.heard.append(f"{username} {password}")
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self._state.heard.append(f"{username} {key.export_public_key().decode()}")
        return True


def _files_of(state: EchoServer) -> type[asyncssh.SFTPServer]:
    """Return what serves files: each request is refused, with all that was heard."""

    def repeat(*args: object) -> NoReturn:
        del args
        raise asyncssh.SFTPFailure(" ".join(state.heard))

    names = ("stat", "lstat", "open", "scandir", "mkdir", "remove", "rename")
    return type("Files", (asyncssh.SFTPServer,), dict.fromkeys(names, repeat))


@contextmanager
def sftp_echo_server() -> Iterator[tuple[EchoServer, str]]:
    """Serve until the end of the block; give the server, and a line of known hosts."""
    state = EchoServer()
    host_key = asyncssh.generate_private_key("ssh-ed25519")

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[host_key],
            server_factory=lambda: _Login(state),
            sftp_factory=_files_of(state),
        )

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(listen(), loop).result(100)
    state.address = f"127.0.0.1:{server.get_port()}"
    name = f"[127.0.0.1]:{server.get_port()}"
    public = host_key.export_public_key("openssh").decode().strip()
    try:
        yield state, f"{name} {public}\n"
    finally:
        server.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
