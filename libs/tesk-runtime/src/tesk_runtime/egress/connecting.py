"""Connects to hosts as far as a policy allows.

A name is resolved here, once, and the connection goes to the address that was checked:
a name server that answers another time with another address changes nothing, nor does a
redirect, which leads to another connection.
"""

import socket
import time
from collections.abc import Callable
from contextlib import suppress

from tesk_runtime.egress.policy import EgressPolicy

_MAX_ADDRESSES = 8  # of a name, tried one after another

Resolve = Callable[[str, int], list[str]]
"""Returns the addresses of a host; raises ``socket.gaierror``."""


class EgressRefusedError(Exception):
    """The policy refuses each address of a host; the message is for people."""


class Connector:
    """Opens connections to hosts that come from urls; thread-safe."""

    def __init__(self, policy: EgressPolicy, resolve: Resolve | None = None) -> None:
        """Resolve names as the system does, or by ``resolve``."""
        self._policy = policy
        self._resolve = resolve or _resolve

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        """Return a connection; blocking, with ``timeout`` still set.

        Args:
            host: Name or address, IPv6 without brackets.
            port: Of TCP.
            timeout: Seconds for all addresses of the host together.

        Raises:
            EgressRefusedError: The policy refuses each address of the host.
            OSError: As ``socket.create_connection``.
        """
        addresses = self._allowed(host, port)[:_MAX_ADDRESSES]
        deadline = time.monotonic() + timeout
        while True:
            share = max(deadline - time.monotonic(), 0.001) / len(addresses)
            address = addresses.pop(0)
            try:
                connection = socket.create_connection((address, port), share)
            except OSError:
                if not addresses:
                    raise
            else:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.settimeout(timeout)
                return connection

    def check_proxied(self, host: str) -> None:
        """Check a host to which a proxy will connect, as far as its name tells.

        The proxy is the operator's and resolves names; addresses, however they are
        written, and names of metadata services and loopback are checked here.

        Raises:
            EgressRefusedError: The policy refuses it.
        """
        problem = self._policy.problem_of_name(host)
        if problem is None and (address := _literal(host)):
            problem = self._policy.problem(address)
        if problem:
            raise EgressRefusedError(problem)

    def _allowed(self, host: str, port: int) -> list[str]:
        try:
            addresses = self._resolve(host, port)
        except UnicodeError as error:
            raise EgressRefusedError(
                "its host has no valid name; check the url"
            ) from error
        problems = {each: self._policy.problem(each) for each in addresses}
        allowed = [each for each, problem in problems.items() if problem is None]
        if not allowed:
            raise EgressRefusedError(
                next(filter(None, problems.values()), "has no address")
            )
        return allowed


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def _literal(host: str) -> str | None:
    """Return the address that ``host`` is, also as ``0x7f.1`` or ``2130706433``."""
    for family in (socket.AF_INET6, socket.AF_INET):
        with suppress(OSError, UnicodeError):
            bare = host.partition("%")[0] if family == socket.AF_INET6 else host
            return socket.inet_ntop(family, socket.inet_pton(family, bare))
    with suppress(OSError, UnicodeError):
        return socket.inet_ntoa(socket.inet_aton(host.rstrip(".")))
    return None
