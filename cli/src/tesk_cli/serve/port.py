"""Finds a free TCP port for the api."""

import errno
import socket

from tesk_cli.serve.errors import ServeError


def reserve_port(host: str, port: int) -> int:
    """Return a port that can be bound now: ``port``, or a free one if that is 0.

    Raises:
        ServeError: ``port`` is taken or not allowed, or ``host`` is not ours.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the api will do: a port in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except socket.gaierror as error:
        msg = f"HOST={host}: {error.strerror}"
        raise ServeError(msg) from error
    except (OSError, OverflowError) as error:
        taken = getattr(error, "errno", None) == errno.EADDRINUSE
        why = "is taken by another program" if taken else f"cannot be used ({error})"
        msg = f"PORT={port} on {host} {why}; set PORT to a free one, such as 8081"
        raise ServeError(msg) from error
