"""A server that holds files for the benchmark of transfers, and the way to it."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import create_connection, create_server

from programs.waiting import eventually

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Server:
    """Where files are, as it is reached.

    Attributes:
        base: Url of everything.
        port: At which it is reached; 0 if by no network.
        remove: Removes everything below a path, so that the disk does not fill up.
        environ: What a filer needs to reach it.
        environ_at: The same for another port, if that is not only another number; the
            server is told of it, too, where its responses hold urls of its own.
        address: Of this machine.
        data_ports: Where further connections of the same client go.
        responses: Returns how many responses of HTTP came since the last call; None:
            nobody counts.
    """

    base: str
    port: int
    remove: Callable[[str], None]
    environ: Mapping[str, str] = field(default_factory=dict)
    environ_at: Callable[[int], Mapping[str, str]] | None = None
    address: str = LOOPBACK
    data_ports: range = range(0)
    responses: Callable[[], int] | None = None

    def through(self, port: int, responses: Callable[[], int]) -> "Server":
        """Return the server as it is reached at another port of loopback."""

        def moved(text: str) -> str:
            return text.replace(f"{self.address}:{self.port}", f"{LOOPBACK}:{port}")

        if self.environ_at:
            environ = self.environ_at(port)
        else:
            environ = {name: moved(value) for name, value in self.environ.items()}
        base = moved(self.base)
        return Server(base, port, self.remove, environ, responses=responses)


Serve = Callable[[Path], AbstractContextManager[Server]]


@contextmanager
def delayed(server: Server, milliseconds: int) -> Iterator[Server]:
    """The server as it is reached with so much more latency."""
    if not milliseconds or not server.port:
        yield server
        return
    program = Path(__file__).with_name("delay_proxy.py")
    ports = server.data_ports
    data_ports = [str(ports.start), str(ports.stop - 1)] if ports else []
    place = f"{server.address}:{server.port}"
    with subprocess.Popen(  # noqa: S603 - of this folder
        [sys.executable, str(program), str(milliseconds), place, *data_ports],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as proxy:
        assert proxy.stdin is not None
        assert proxy.stdout is not None
        asked, answered = proxy.stdin, proxy.stdout

        def responses() -> int:
            asked.write("\n")
            return int(answered.readline())

        yield server.through(int(answered.readline()), responses)
        proxy.kill()


def free_ports(count: int, address: str = LOOPBACK) -> range:
    """Return ports next to each other that nobody has now, at ``address`` or loopback."""
    for first in range(10_240, 30_000 - count, count):
        ports = range(first, first + count)
        if all(_is_free(each, port) for each in {address, LOOPBACK} for port in ports):
            return ports
    message = f"no {count} free ports next to each other"
    raise RuntimeError(message)


def _is_free(address: str, port: int) -> bool:
    try:
        create_server((address, port)).close()
    except OSError:
        return False
    return True


def wait_for(address: str, port: int) -> None:
    """Wait until a server accepts connections."""

    def accepts() -> bool:
        try:
            create_connection((address, port), 5).close()
        except OSError:
            return False
        return True

    eventually(accepts, what=f"the server at port {port}")
