"""Keys of SSH servers, from a file in the form of OpenSSH's ``known_hosts``.

paramiko's reader takes neither patterns nor markers; it reads single lines here. Keys
of authorities (``@cert-authority``) are not used.

Source:
    sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko
from paramiko.hostkeys import HostKeyEntry, HostKeys, InvalidHostKey

from tesk_filer.ports import StorageError

_SSH_PORT = 22
_MAX_FILE = 16 * 1024 * 1024
_REVOKED = "@revoked"


@dataclass(frozen=True, slots=True)
class _Line:
    patterns: tuple[str, ...]
    key: paramiko.PKey
    is_revoked: bool


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """What the file says of one server."""

    keys: tuple[paramiko.PKey, ...]
    revoked: tuple[paramiko.PKey, ...]

    @property
    def types(self) -> tuple[str, ...]:
        """Names of the types of its keys."""
        return tuple(dict.fromkeys(key.get_name() for key in self.keys))

    def check(self, key: paramiko.PKey, name: str) -> None:
        """Check the key that a server presents.

        Args:
            key: Of the server.
            name: The server as the file names it.

        Raises:
            StorageError: It is not known for it; for good.
        """
        shown = f"{key.get_name()} {key.fingerprint}"
        if key in self.revoked:
            raise StorageError(f"its host key is revoked ({shown})")
        if key in self.keys:
            return
        if self.keys:
            raise StorageError(
                f"its host key is not the known one, and someone may stand in between "
                f"({shown}); if it was changed on purpose, the operator replaces it in "
                "filer.known_hosts"
            )
        raise StorageError(
            f"its host key is not known ({shown}); if that is the server's, the "
            f'operator adds the line "{name} {key.get_name()} {key.get_base64()}" to '
            "filer.known_hosts"
        )


def name_of(host: str, port: int) -> str:
    """Return how the file names a server."""
    return host.lower() if port == _SSH_PORT else f"[{host.lower()}]:{port}"


def read_known_keys(path: str, name: str) -> KnownKeys:
    """Return what the file at ``path`` says of the server ``name``; "" says nothing.

    It is read for each connection: it may have been replaced.

    Raises:
        StorageError: It cannot be read.
    """
    fitting = [line for line in _read(path) if _fits(line.patterns, name)]
    return KnownKeys(
        keys=tuple(line.key for line in fitting if not line.is_revoked),
        revoked=tuple(line.key for line in fitting if line.is_revoked),
    )


def _read(path: str) -> Iterator[_Line]:
    if not path:
        return
    try:
        with Path(path).open("rb") as file:
            text = file.read(_MAX_FILE).decode("utf-8", "replace")
    except OSError as error:
        message = f"the operator's filer.known_hosts cannot be read: {error.strerror}"
        raise StorageError(message, transient=True) from error
    for line in text.splitlines():
        fields = line.split()
        is_revoked = fields[:1] == [_REVOKED]
        fields = fields[is_revoked:]
        if not fields or fields[0].startswith(("#", "@")):
            continue
        try:
            entry = HostKeyEntry.from_line(" ".join(fields))
        except (InvalidHostKey, paramiko.SSHException, ValueError):
            continue  # as OpenSSH does
        if entry is not None and entry.key is not None:
            yield _Line(tuple(entry.hostnames or ()), entry.key, is_revoked)


def _fits(patterns: tuple[str, ...], name: str) -> bool:
    found = False
    for pattern in patterns:
        if pattern.startswith("!") and _matches(pattern[1:], name):
            return False
        found = found or _matches(pattern, name)
    return found


def _matches(pattern: str, name: str) -> bool:
    if pattern.startswith("|1|"):
        try:
            return HostKeys.hash_host(name, pattern) == pattern
        except (ValueError, AssertionError, IndexError):
            return False
    expression = re.escape(pattern.lower()).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, name) is not None
