"""Connections over which nothing is sent for long: they are kept, or found dead.

Address translators and firewalls forget a connection that is idle, some after four
minutes, and tell neither side. The kernel's probes keep it in use; a peer that is gone
is detected in a minute.
"""

import socket

_PROBES = {
    "TCP_KEEPIDLE": 30,
    "TCP_KEEPINTVL": 10,
    "TCP_KEEPCNT": 3,
}  # seconds; a count


def keepalive_options() -> list[tuple[int, int, int]]:
    """Return what ``setsockopt`` takes for it, as far as this system knows it."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in _PROBES.items():
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options
