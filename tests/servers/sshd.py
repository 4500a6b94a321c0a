"""OpenSSH's own server, where this machine has it, for the user of the tests."""

import getpass
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection, create_server

import asyncssh

_SETTINGS = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
MaxStartups 100
PasswordAuthentication no
Subsystem sftp internal-sftp
"""


# Started by root it wants this folder, which Debian makes when the service starts first.
_FOLDER = Path("/run/sshd")
_WITH_FOLDER = f"""\
mount -t tmpfs tmpfs {_FOLDER.parent} && mkdir -m 755 {_FOLDER} && exec "$@"
"""


@dataclass(frozen=True)
class Sshd:
    """A running server.

    Attributes:
        host_key: As a line of ``known_hosts``, without the name.
        private_key: File of one that it accepts, in the format of OpenSSH.
    """

    port: int
    user: str
    host_key: str
    private_key: Path


def sshd_program() -> str | None:
    """Return the program, which wants to be called by its whole path."""
    return shutil.which("sshd") or shutil.which(
        "sshd", path="/usr/sbin:/usr/local/sbin"
    )


def sshd_problem(folder: Path) -> str:
    """Return why the server cannot run here; "" if it can."""
    if sshd_program() is None:
        return "this machine has no sshd"
    _prepare(folder, 1)
    tried = subprocess.run(
        _command(folder, "-t"),
        capture_output=True,
        text=True,
        check=False,
    )
    return f"sshd does not start: {tried.stderr.strip()}" if tried.returncode else ""


@contextmanager
def sshd_server(folder: Path) -> Iterator[Sshd]:
    """Run the server until the end of the block; its files lie in ``folder``."""
    with create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    host_key = _prepare(folder, port)
    with subprocess.Popen(
        _command(folder, "-D", "-e"), stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait_for(port)
            yield Sshd(port, getpass.getuser(), host_key, folder / "user_key")
        finally:
            process.terminate()


def _command(folder: Path, *options: str) -> Sequence[str]:
    program = sshd_program()
    assert program is not None
    command = [program, *options, "-f", str(folder / "sshd_config")]
    if os.geteuid() or _FOLDER.exists():
        return command
    # In a file system that nobody else sees.
    return ["unshare", "--mount", "sh", "-c", _WITH_FOLDER, "sh", *command]


def _prepare(folder: Path, port: int) -> str:
    """Write keys and settings; return the host key as a line."""
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    user_key = asyncssh.generate_private_key("ssh-ed25519")
    for name, key in (("host_key", host_key), ("user_key", user_key)):
        (folder / name).write_bytes(key.export_private_key("openssh"))
        (folder / name).chmod(0o600)
    (folder / "authorized_keys").write_bytes(user_key.export_public_key("openssh"))
    settings = _SETTINGS.format(port=port, folder=folder)
    (folder / "sshd_config").write_text(settings)
    return host_key.export_public_key("openssh").decode().strip()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            create_connection(("127.0.0.1", port), 5).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
