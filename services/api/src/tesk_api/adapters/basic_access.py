"""Authenticates users by name and password, from files that operators keep.

The files are an ``htpasswd`` file with bcrypt (``htpasswd -B``) and a file of groups.
bcrypt costs 5 to 300 ms by design, so a success is cached while it is used, as a keyed
hash, and only a few passwords are checked at once. Wrong passwords delay the client
that sends them (``domain.login_limits``).
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
_CONCURRENT_CHECKS = 2
_CHECK_TIMEOUT = timedelta(seconds=2)
# Users at work stay cached through any flood of wrong passwords.
CACHE_TTL = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChecks:
    """Limits of concurrent password checks.

    Attributes:
        unknown_clients: For all other clients.
        known_clients: For users that have logged in from the same address before,
            so that a flood from many addresses does not keep them out.
    """

    unknown_clients: FairSemaphore
    known_clients: FairSemaphore

    @classmethod
    def with_queues_of(cls, max_waiting: int) -> "PasswordChecks":
        """Return limits of which each lets at most ``max_waiting`` threads wait."""
        return cls(
            unknown_clients=_limit(_CONCURRENT_CHECKS, max_waiting),
            known_clients=_limit(1, max_waiting),
        )


def _limit(capacity: int, max_waiting: int) -> FairSemaphore:
    return FairSemaphore(
        capacity=capacity,
        max_waiting=max_waiting,
        timeout=_CHECK_TIMEOUT,
        message="too many passwords are being checked; try again later",
    )


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
        cache_ttl: timedelta,
        checks: PasswordChecks,
    ) -> None:
        """Read the files.

        Args:
            files: Files of users and groups.
            clock: Time, for the cache.
            cache_ttl: How long a success is cached after its last use.
            checks: Limits of concurrent password checks.

        Raises:
            ValueError: A file cannot be read or has a wrong line.
        """
        self._admin_group = files.admin_group
        self._clock = clock
        self._cache_ttl = cache_ttl.total_seconds()
        self._checks = checks
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._cache: dict[bytes, float] = {}
        self._limits = LoginLimits()
        self._files = UserFiles(files)

    def authenticate(self, authorization: str | None, address: str) -> Caller:
        """See ``Authenticator``."""
        name, password = _credentials(authorization)
        directory = self._files.current()
        attempt = _Attempt(address, name, password)
        if not self._is_valid(attempt, directory):
            raise UnauthenticatedError("user name or password is wrong")
        groups = directory.groups.get(name, ())
        return Caller(
            user=name,
            groups=groups,
            admin=bool(self._admin_group) and self._admin_group in groups,
        )

    def _is_valid(self, attempt: _Attempt, directory: UserDirectory) -> bool:
        stored = directory.hash_for(attempt.name)
        # The stored hash is part of the key: a new password makes the old one invalid.
        text = stored.encode() + b"\0" + attempt.password
        key = hmac.digest(self._key, text, hashlib.sha256)
        if self._is_cached(key):
            return True
        checks = self._check_limit(attempt)
        with checks.acquire():
            # Another request of the client may have been checked meanwhile.
            if self._is_cached(key):
                return True
            self._check_limit(attempt)
            # The hash first, also for names that do not exist: both take the same time.
            right = _matches(attempt.password, stored)
            right = right and attempt.name in directory.hashes
            self._count(attempt, right=right)
            if right:
                self._cache_success(key)
            return right

    def _check_limit(self, attempt: _Attempt) -> FairSemaphore:
        """Return the limit that applies to the check of ``attempt``.

        Raises:
            ResourceExhaustedError: After too many wrong passwords.
        """
        now = self._clock.monotonic()
        with self._lock:
            pause = self._limits.pause(attempt.address, attempt.name, now)
            is_known = self._limits.is_known(attempt.address, attempt.name, now)
        if pause:
            raise ResourceExhaustedError(
                "too many wrong passwords; try again later", timedelta(seconds=pause)
            )
        return self._checks.known_clients if is_known else self._checks.unknown_clients

    def _count(self, attempt: _Attempt, *, right: bool) -> None:
        now = self._clock.monotonic()
        with self._lock:
            count = (
                self._limits.record_success if right else self._limits.record_failure
            )
            count(attempt.address, attempt.name, now)

    def _is_cached(self, key: bytes) -> bool:
        now = self._clock.monotonic()
        if self._cache.get(key, now) <= now:
            return False
        # Each use extends it: else all connections of a busy client would have to
        # be checked at the same moment.
        self._cache_success(key)
        return True

    def _cache_success(self, key: bytes) -> None:
        with self._lock:
            if key not in self._cache and len(self._cache) >= _MAX_CACHED:
                self._cache.clear()
            self._cache[key] = self._clock.monotonic() + self._cache_ttl


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
