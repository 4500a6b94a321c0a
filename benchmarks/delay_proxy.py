"""A TCP proxy that adds latency, as a network between two places does.

Usage: ``python delay_proxy.py MILLISECONDS ADDRESS:PORT [FIRST LAST]`` passes
connections on to a server, prints the port of loopback where it listens itself, and runs
until its standard input ends. Ports ``FIRST`` to ``LAST`` of the server are reached at
the same numbers: data connections of FTP are opened there.

Each byte is half of the time on its way, in both directions; a connection takes the
whole once more, as its handshake would. What is on its way is bounded, as the buffers of
TCP are. For each line of its input it prints how many responses of HTTP have passed
since the last one.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable

_CHUNK = 256 * 1024
_ON_ITS_WAY = 64  # chunks in each direction of a connection
_LOOPBACK = "127.0.0.1"
_RESPONSE = b"HTTP/1.1 "

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Proxy:
    """Passes connections on, ``latency`` seconds later.

    Attributes:
        responses: Of HTTP, so far.
    """

    def __init__(self, address: str, latency: float) -> None:
        """Pass on to ``address``."""
        self.responses = 0
        self._address = address
        self._latency = latency

    def handler(self, port: int) -> Handler:
        """Return what serves a connection to ``port``."""

        async def serve(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await asyncio.sleep(self._latency)
            try:
                there, back = await asyncio.open_connection(
                    self._address, port, limit=_CHUNK
                )
            except OSError:
                writer.close()
                return
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._carry(reader, back))
                    tasks.create_task(self._carry(there, writer, self._count))
            except* OSError:
                pass  # one side has closed, as it may
            finally:
                back.close()
                writer.close()

        return serve

    def _count(self, data: bytes) -> None:
        self.responses += data.count(_RESPONSE)

    async def _carry(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        note: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        """Pass on all that ``source`` sends, each byte half of the latency later."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_ON_ITS_WAY)

        async def deliver() -> None:
            data = b"something"
            while data:
                due, data = await waiting.get()
                await asyncio.sleep(due - loop.time())
                target.write(data)
                await target.drain()
            target.close()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(deliver())
            data = b"something"
            while data:
                data = await source.read(_CHUNK)
                note(data)
                await waiting.put((loop.time() + self._latency / 2, data))


async def main() -> None:
    """Serve until standard input ends."""
    address, _, port = sys.argv[2].rpartition(":")
    proxy = Proxy(address, float(sys.argv[1]) / 1000)
    first, last = (int(each) for each in sys.argv[3:5] or (1, 0))
    ports = {int(port): 0} | {each: each for each in range(first, last + 1)}
    servers = [
        await asyncio.start_server(
            proxy.handler(there), _LOOPBACK, here, limit=_CHUNK, backlog=512
        )
        for there, here in ports.items()
    ]
    print(servers[0].sockets[0].getsockname()[1], flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(proxy.responses, flush=True)
        proxy.responses = 0
    for server in servers:
        server.close()


if __name__ == "__main__":
    asyncio.run(main())
