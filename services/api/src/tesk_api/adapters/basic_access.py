"""Users by name and password, from files that operators keep.

``htpasswd`` files with bcrypt (``htpasswd -B``), and a file of groups. bcrypt
costs 5 to 300 ms by design, so a success is remembered while it is used, as a
keyed hash, and only a few passwords are checked at once; wrong ones make who
sends them wait (``domain.login_limits``).
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass
from datetime import timedelta

import bcrypt

from tesk_api.adapters.fair_semaphore import FairSemaphore
from tesk_api.adapters.user_files import AccessFiles, UserDirectory, UserFiles
from tesk_api.domain.login_limits import LoginLimits
from tesk_api.domain.requests import Caller
from tesk_api.ports import Clock
from tesk_model.errors import ResourceExhaustedError, UnauthenticatedError

_SCHEME = "basic "
_MAX_CACHED = 4096
# A user at work stays known through any flood of wrong passwords.
CACHE_TTL = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChecks:
    """Who waits where to have a password checked.

    Attributes:
        unknown_clients: All others.
        familiar: Who has logged in from the same address before: a flood from
            many addresses does not keep these out.
    """

    unknown_clients: FairSemaphore
    familiar: FairSemaphore


@dataclass(frozen=True, slots=True)
class _Attempt:
    address: str
    name: str
    password: bytes


class BasicAccess:
    """Implements ``Authenticator`` with HTTP Basic."""

    challenge = 'Basic realm="TESK", charset="UTF-8"'

    def __init__(
        self,
        files: AccessFiles,
        *,
        clock: Clock,
        memory: timedelta,
        checks: PasswordChecks,
    ) -> None:
        """Read the files.

        Args:
            files: Where users and groups are written.
            clock: Tells when a remembered success is too old.
            memory: How long a success is remembered after its last use.
            checks: Let in who must have a password checked.

        Raises:
            ValueError: A file cannot be read or has a wrong line.
        """
        self._admin_group = files.admin_group
        self._clock = clock
        self._memory = memory.total_seconds()
        self._checks = checks
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._known: dict[bytes, float] = {}
        self._limits = LoginLimits()
        self._files = UserFiles(files)

    def authenticate(self, authorization: str | None, address: str) -> Caller:
        """Return the caller; see the port."""
        name, password = _credentials(authorization)
        register = self._files.current()
        attempt = _Attempt(address, name, password)
        if not self._is_valid(attempt, register):
            raise UnauthenticatedError("user name or password is wrong")
        groups = register.groups.get(name, ())
        return Caller(
            user=name,
            groups=groups,
            admin=bool(self._admin_group) and self._admin_group in groups,
        )

    def _is_valid(self, attempt: _Attempt, register: UserDirectory) -> bool:
        stored = register.hash_for(attempt.name)
        # The stored hash is part of the name: a new password forgets the old.
        text = stored.encode() + b"\0" + attempt.password
        proof = hmac.digest(self._key, text, hashlib.sha256)
        if self._is_cached(proof):
            return True
        checks = self._require_attempt_allowed(attempt)
        with checks.acquire():
            # Others of the same client may have been before us.
            if self._is_cached(proof):
                return True
            self._require_attempt_allowed(attempt)
            # The work first: also for names that do not exist.
            right = _matches(attempt.password, stored)
            right = right and attempt.name in register.hashes
            self._count(attempt, right=right)
            if right:
                self._cache_success(proof)
            return right

    def _require_attempt_allowed(self, attempt: _Attempt) -> FairSemaphore:
        """Return where to wait for a check.

        Raises:
            ResourceExhaustedError: After too many wrong passwords.
        """
        now = self._clock.monotonic()
        with self._lock:
            pause = self._limits.pause(attempt.address, attempt.name, now)
            familiar = self._limits.is_known(attempt.address, attempt.name, now)
        if pause:
            raise ResourceExhaustedError(
                "too many wrong passwords; try again later", timedelta(seconds=pause)
            )
        return self._checks.familiar if familiar else self._checks.unknown_clients

    def _count(self, attempt: _Attempt, *, right: bool) -> None:
        now = self._clock.monotonic()
        with self._lock:
            count = self._limits.succeeded if right else self._limits.failed
            count(attempt.address, attempt.name, now)

    def _is_cached(self, proof: bytes) -> bool:
        now = self._clock.monotonic()
        if self._known.get(proof, now) <= now:
            return False
        # Each use counts: else all connections of a busy client would have to
        # be checked at the same moment.
        self._cache_success(proof)
        return True

    def _cache_success(self, proof: bytes) -> None:
        with self._lock:
            if proof not in self._known and len(self._known) >= _MAX_CACHED:
                self._known.clear()
            self._known[proof] = self._clock.monotonic() + self._memory


def _matches(password: bytes, stored: str) -> bool:
    try:
        return bcrypt.checkpw(password, stored.encode())
    except ValueError:  # longer than bcrypt takes
        return False


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
