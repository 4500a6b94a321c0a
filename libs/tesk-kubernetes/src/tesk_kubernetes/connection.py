"""How the API server of a cluster is reached: address, connections, credentials.

Two modules make one: ``service_account`` in a pod, ``kubeconfig`` elsewhere. Only the
latter needs the official client, whose import takes longer than all else of a start.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass

import urllib3

from tesk_runtime.keepalive import keepalive_options

# For a taskmaster with many attempts at once: their calls, their logs, and the watches
# of each namespace. What is above is closed after its use.
POOL_SIZE = 256


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
    """Return options for connections that may be silent for a week, as of a log."""
    return [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), *keepalive_options()]
