"""A proxy of HTTP: it tunnels to servers (CONNECT), and passes requests for urls on.

It resolves each name to 127.0.0.1, so that what gets through it alone can be told.
"""

import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class HttpProxyServer:
    """The proxy, and the heads of the requests that came.

    Attributes:
        is_secure: It is spoken to by TLS.
        status: What it answers in place of serving; 0: it serves.
    """

    port: int
    is_secure: bool
    status: int = 0
    requests: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Of the proxy."""
        return f"{'https' if self.is_secure else 'http'}://localhost:{self.port}"


@contextmanager
def http_proxy(tls: ssl.SSLContext | None = None) -> Iterator[HttpProxyServer]:
    """Serve until the end of the block; by TLS if ``tls`` is given."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = HttpProxyServer(listener.getsockname()[1], is_secure=tls is not None)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    serving = (client, tls, proxy)
                    threading.Thread(target=_serve, args=serving, daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield proxy


def _serve(
    client: socket.socket, tls: ssl.SSLContext | None, proxy: HttpProxyServer
) -> None:
    with suppress(OSError):
        peer = tls.wrap_socket(client, server_side=True) if tls else client
        with peer:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += peer.recv(1) or b"\r\n\r\n"
            proxy.requests.append(head.decode())
            if proxy.status:
                peer.sendall(f"HTTP/1.1 {proxy.status} Any\r\n\r\n".encode())
                return
            _pass_on(peer, head)


def _pass_on(peer: socket.socket, head: bytes) -> None:
    method, target, _ = head.decode().split(" ", 2)
    is_tunnel = method == "CONNECT"
    url = urlsplit(f"//{target}" if is_tunnel else target)
    with closing(socket.create_connection(("127.0.0.1", url.port or 80))) as server:
        if is_tunnel:
            peer.sendall(b"HTTP/1.1 200 Any\r\n\r\n")
        else:
            path = url._replace(scheme="", netloc="").geturl() or "/"
            server.sendall(head.replace(target.encode(), path.encode(), 1))
        _relay(peer, server)


def _relay(peer: socket.socket, server: socket.socket) -> None:
    """Pass bytes both ways until either side ends; one thread, as TLS wants it."""
    while True:
        ready: list[socket.socket] = []
        if isinstance(peer, ssl.SSLSocket) and peer.pending():
            ready = [peer]
        if not ready:
            ready, _, _ = select.select([peer, server], [], [])
        for source in ready:
            data = source.recv(65536)
            if not data:
                return
            (server if source is peer else peer).sendall(data)
