"""Ports for servers that must be told theirs before they listen."""

import fcntl
import os
import socket
import tempfile
from pathlib import Path

# Below those that Linux gives to connections (ip_local_port_range from 32768) and
# those of Kubernetes' services (from 30000): in the time that a program takes to
# start, nothing else is given one of these.
_FIRST = 10_240
_END = 30_000


def free_port() -> int:
    """Return a port that nobody has, and that no other test is told of soon.

    All tests of this machine's user take turns through the range.
    """
    with _last().open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        port = int(file.read() or _END)
        while not _is_free(port := _after(port)):
            pass
        file.truncate(0)
        file.write(str(port))
        return port


def _last() -> Path:
    return Path(tempfile.gettempdir()) / f"tesk-tests-last-port.{os.getuid()}"


def _after(port: int) -> int:
    return port + 1 if port + 1 < _END else _FIRST


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do, who are not kept from a port by connections that ended.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
        return True
