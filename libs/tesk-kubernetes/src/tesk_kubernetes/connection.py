"""How the API server of a cluster is reached: address, connections, credentials.

Two modules make one: ``service_account`` in a pod, ``kubeconfig`` elsewhere. Only the
latter needs the official client, whose import takes longer than all else of a start.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass

import urllib3

# For a taskmaster with many attempts at once: their calls, their logs, and the watches
# of each namespace. What is above is closed after its use.
POOL_SIZE = 256
# A log may be silent for a week; a dead connection is detected in a minute.
_KEEP_ALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


class CredentialsError(Exception):
    """Address or credentials of the cluster cannot be read, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How the API server is reached.

    Attributes:
        host: Its base url, without a slash at the end.
        pool: Makes connections to it; retries nothing.
        authorization: Returns the header of that name; "" for none. May raise
            CredentialsError and OSError.
        renew: Reads the credentials again, after a 401; raises likewise.
    """

    host: str
    pool: urllib3.PoolManager
    authorization: Callable[[], str]
    renew: Callable[[], None]


def socket_options() -> list[tuple[int, int, int]]:
    """Return options that detect dead connections, where they exist."""
    options = [
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    ]
    for name, value in _KEEP_ALIVE.items():
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options
