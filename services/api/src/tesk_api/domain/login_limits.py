"""Limits how often passwords may be tried.

Wrong passwords are counted for each name at one address, for each name at all
addresses, and for each address the names that were tried there. After a few of them,
each further one doubles a pause, up to a bound, in which nothing is checked. So
guesses become rare, and a flood of them costs little. Nothing depends on whether the
name exists.

A name that has logged in from an address before is limited there by its own failures
alone: other clients' guesses do not keep it out.
"""

import hashlib
import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from tesk_model.backoff import Backoff

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")

_MAX_KEYS = 10_000
_FAILURE_LIFETIME = 900.0
_SUCCESS_LIFETIME = 86_400.0
_CLIENT_PREFIX_LENGTH = 64  # IPv6 prefix of one customer, in bits
_FIRST_PAUSE = timedelta(seconds=1)


class FailureLimit:
    """Maps a number of failures to a pause."""

    def __init__(self, *, free: int, max_pause: timedelta) -> None:
        """Limit failures.

        Args:
            free: Failures without a pause.
            max_pause: Upper bound of the pause.
        """
        self._free = free
        self._backoff = Backoff(first=_FIRST_PAUSE, longest=max_pause)

    def pause(self, failures: int) -> float:
        """Return the seconds to wait after that many failures."""
        return self._backoff.pause(failures - self._free + 1).total_seconds()


SAME_NAME_AND_ADDRESS = FailureLimit(free=5, max_pause=timedelta(seconds=60))
NAMES_AT_ADDRESS = FailureLimit(free=10, max_pause=timedelta(seconds=10))
SAME_NAME = FailureLimit(free=20, max_pause=timedelta(seconds=10))


class _ExpiringMap(Generic[KeyT, ValueT]):
    """A mapping of a bounded number of keys that expire; drops the oldest."""

    def __init__(self, lifetime: float) -> None:
        self._lifetime = lifetime
        self._entries: OrderedDict[KeyT, tuple[float, ValueT]] = OrderedDict()

    def get(self, key: KeyT, now: float) -> ValueT | None:
        since, value = self._entries.get(key, (now, None))
        return None if now - since > self._lifetime else value

    def put(self, key: KeyT, value: ValueT, now: float) -> None:
        self._entries[key] = (now, value)
        self._entries.move_to_end(key)
        if len(self._entries) > _MAX_KEYS:
            self._entries.popitem(last=False)

    def drop(self, key: KeyT) -> None:
        self._entries.pop(key, None)


@dataclass(frozen=True, slots=True)
class _Failures:
    count: int
    retry_at: float


class _Counter(Generic[KeyT]):
    def __init__(self, limit: FailureLimit) -> None:
        self._limit = limit
        self._failures: _ExpiringMap[KeyT, _Failures] = _ExpiringMap(_FAILURE_LIFETIME)

    def has(self, key: KeyT, now: float) -> bool:
        return self._failures.get(key, now) is not None

    def pause(self, key: KeyT, now: float) -> float:
        known = self._failures.get(key, now)
        return 0.0 if known is None else max(0.0, known.retry_at - now)

    def add(self, key: KeyT, now: float) -> None:
        known = self._failures.get(key, now)
        count = 1 if known is None else known.count + 1
        failures = _Failures(count, now + self._limit.pause(count))
        self._failures.put(key, failures, now)

    def clear(self, key: KeyT) -> None:
        self._failures.drop(key)


class LoginLimits:
    """Records failed and successful logins; not thread-safe."""

    def __init__(self) -> None:
        """Start without any logins."""
        self._pairs: _Counter[tuple[str, bytes]] = _Counter(SAME_NAME_AND_ADDRESS)
        self._addresses: _Counter[str] = _Counter(NAMES_AT_ADDRESS)
        self._names: _Counter[bytes] = _Counter(SAME_NAME)
        self._known_clients: _ExpiringMap[tuple[str, bytes], bool] = _ExpiringMap(
            _SUCCESS_LIFETIME
        )

    def pause(self, address: str, name: str, now: float) -> float:
        """Return the seconds until a password may be tried; 0 for now."""
        pair = _pair(address, name)
        pause = self._pairs.pause(pair, now)
        if self._known_clients.get(pair, now):
            return pause
        pause = max(pause, self._names.pause(pair[1], now))
        if not self._pairs.has(pair, now):
            pause = max(pause, self._addresses.pause(pair[0], now))
        return pause

    def is_known(self, address: str, name: str, now: float) -> bool:
        """Tell whether ``name`` has logged in from ``address`` lately."""
        return bool(self._known_clients.get(_pair(address, name), now))

    def record_failure(self, address: str, name: str, now: float) -> None:
        """Record a wrong password."""
        pair = _pair(address, name)
        if not self._pairs.has(pair, now):
            self._addresses.add(pair[0], now)
        self._pairs.add(pair, now)
        self._names.add(pair[1], now)

    def record_success(self, address: str, name: str, now: float) -> None:
        """Record a successful login."""
        pair = _pair(address, name)
        self._pairs.clear(pair)
        self._known_clients.put(pair, True, now)  # noqa: FBT003 - a set with expiry


def _pair(address: str, name: str) -> tuple[str, bytes]:
    # A name may be as long as a header: only its digest is kept.
    digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
    return _network(address), digest


def _network(address: str) -> str:
    """Return the addresses that one client can use."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if parsed.version == 4:  # noqa: PLR2004 - IPv4
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _CLIENT_PREFIX_LENGTH), strict=False))
