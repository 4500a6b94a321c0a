"""Users by name and password, from files that operators keep.

``htpasswd`` files with bcrypt (``htpasswd -B``), and a file of groups, both
read again when they change. bcrypt costs 50 ms and more by design, so a
success is remembered while it is used, as a keyed hash, and only a few
passwords are checked at once.
"""

import base64
import binascii
import hashlib
import hmac
import logging
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import bcrypt

from tesk_api.adapters.turnstile import Turnstile
from tesk_api.domain.requests import Caller
from tesk_api.ports import Clock
from tesk_model.errors import UnauthenticatedError

_SCHEME = "basic "
_HASH_PREFIXES = ("$2a$", "$2b$", "$2y$")
_MAX_REMEMBERED = 4096
MEMORY = timedelta(seconds=60)
# Of nobody's password: names that do not exist cost the same work, so that
# time does not tell who does.
_NOBODY = "$2b$12$C6UzMDM.H6dfI/f/IKcEeO5vSX2m6VqYw1K0zO1JmZ7vYl9c3r8xK"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessFiles:
    """Where users and groups are written, and which group may see all tasks.

    Attributes:
        groups: May be None: nobody is in a group.
    """

    users: Path
    groups: Path | None
    admin_group: str


@dataclass(frozen=True, slots=True)
class _Register:
    hashes: Mapping[str, str]
    groups: Mapping[str, tuple[str, ...]]
    stamp: tuple[object, ...]


class BasicAccess:
    """Implements ``Authenticator`` with HTTP Basic."""

    challenge = 'Basic realm="TESK", charset="UTF-8"'

    def __init__(
        self,
        files: AccessFiles,
        *,
        clock: Clock,
        memory: timedelta,
        turnstile: Turnstile,
    ) -> None:
        """Read the files.

        Args:
            files: Where users and groups are written.
            clock: Tells when a remembered success is too old.
            memory: How long a success is remembered after its last use.
            turnstile: Lets in who must have a password checked.

        Raises:
            ValueError: A file cannot be read or has a wrong line.
        """
        self._files = files
        self._clock = clock
        self._memory = memory.total_seconds()
        self._turnstile = turnstile
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._known: dict[bytes, float] = {}
        self._register = _read(files)

    def authenticate(self, authorization: str | None) -> Caller:
        """Return the caller; see the port.

        Raises:
            ResourceExhaustedError: Too many passwords are being checked.
        """
        name, password = _credentials(authorization)
        register = self._current()
        stored = register.hashes.get(name, "")
        if not self._is_right(stored, password) or not stored:
            raise UnauthenticatedError("user name or password is wrong")
        groups = register.groups.get(name, ())
        return Caller(
            user=name,
            groups=groups,
            admin=bool(self._files.admin_group) and self._files.admin_group in groups,
        )

    def _is_right(self, stored: str, password: bytes) -> bool:
        # The stored hash is part of the name: a new password forgets the old.
        proof = hmac.digest(
            self._key, stored.encode() + b"\0" + password, hashlib.sha256
        )
        if self._is_known(proof):
            return True
        with self._turnstile.turn():
            # Others of the same client may have been before us.
            if self._is_known(proof):
                return True
            try:
                right = bcrypt.checkpw(password, (stored or _NOBODY).encode())
            except ValueError:  # longer than bcrypt takes
                return False
            if right and stored:
                self._remember(proof)
            return right

    def _is_known(self, proof: bytes) -> bool:
        now = self._clock.monotonic()
        if self._known.get(proof, now) <= now:
            return False
        # Each use counts: else all connections of a busy client would have to
        # be checked at the same moment.
        self._remember(proof)
        return True

    def _remember(self, proof: bytes) -> None:
        with self._lock:
            if proof not in self._known and len(self._known) >= _MAX_REMEMBERED:
                self._known.clear()
            self._known[proof] = self._clock.monotonic() + self._memory

    def _current(self) -> _Register:
        """Return what the files say now; while one is broken, what they said."""
        if _stamp(self._files) == self._register.stamp:
            return self._register
        try:
            self._register = _read(self._files)
        except ValueError as error:
            stamp = _stamp(self._files)
            old = self._register
            self._register = _Register(old.hashes, old.groups, stamp)
            logging.getLogger(__name__).error(  # noqa: TRY400 - the message says it all
                "user files are not usable, the former ones still hold",
                extra={"error": str(error)},
            )
        return self._register


def _credentials(authorization: str | None) -> tuple[str, bytes]:
    """Return name and password of an Authorization header."""
    if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME:
        raise UnauthenticatedError("name and password are required (HTTP Basic)")
    try:
        text = base64.b64decode(authorization[len(_SCHEME) :].strip(), validate=True)
        name = text.partition(b":")[0].decode()
    except (binascii.Error, ValueError) as error:
        raise UnauthenticatedError("the Authorization header is malformed") from error
    return name, text.partition(b":")[2]


def _read(files: AccessFiles) -> _Register:
    stamp = _stamp(files)
    return _Register(_read_users(files.users), _read_groups(files.groups), stamp)


def _stamp(files: AccessFiles) -> tuple[object, ...]:
    stamps: list[object] = []
    for path in (files.users, files.groups):
        try:
            status = path.stat() if path else None
        except OSError:
            status = None
        stamps.append(
            (status.st_mtime_ns, status.st_size, status.st_ino) if status else None
        )
    return tuple(stamps)


def _read_users(path: Path) -> dict[str, str]:
    users: dict[str, str] = {}
    for number, line in _lines(path):
        name, _, stored = line.partition(":")
        if not name or not stored.startswith(_HASH_PREFIXES):
            raise ValueError(
                f"{path}, line {number}: must read name:$2y$…, as htpasswd -B writes"
            )
        users[name] = stored
    return users


def _read_groups(path: Path | None) -> dict[str, tuple[str, ...]]:
    groups: dict[str, tuple[str, ...]] = {}
    for number, line in _lines(path) if path else ():
        group, colon, members = line.partition(":")
        if not group.strip() or not colon:
            raise ValueError(f"{path}, line {number}: must read group: user1 user2")
        for member in members.split():
            groups[member] = (*groups.get(member, ()), group.strip())
    return groups


def _lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines that say something, with their numbers."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    return [
        (number, line.strip())
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
