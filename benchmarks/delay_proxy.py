"""A TCP proxy that adds latency, as a network between two places does.

Usage: ``python delay_proxy.py PORT MILLISECONDS`` passes connections on to ``PORT`` of
this machine, prints its own port, and runs until its standard input ends. Each byte is
half of the time on its way, in both directions; a connection takes the whole once more,
as its handshake would. What is on its way is bounded, as the buffers of TCP are.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

_CHUNK = 256 * 1024
_ON_ITS_WAY = 64  # chunks in each direction of a connection

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def carry(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, delay: float
) -> None:
    """Pass on all that ``source`` sends, each byte ``delay`` seconds later."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_ON_ITS_WAY)

    async def deliver() -> None:
        while True:
            due, data = await waiting.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                target.close()
                return
            target.write(data)
            await target.drain()

    delivery = asyncio.create_task(deliver())
    with suppress(OSError):
        while True:
            data = await source.read(_CHUNK)
            await waiting.put((loop.time() + delay, data))
            if not data:
                break
    with suppress(OSError):
        await delivery


def handler(port: int, latency: float) -> Handler:
    """Return what serves a connection to ``port``."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(latency)
        there, back = await asyncio.open_connection("127.0.0.1", port, limit=_CHUNK)
        await asyncio.gather(
            carry(reader, back, latency / 2), carry(there, writer, latency / 2)
        )

    return serve


async def main() -> None:
    """Serve until standard input ends."""
    port, latency = int(sys.argv[1]), float(sys.argv[2]) / 1000
    server = await asyncio.start_server(
        handler(port, latency), "127.0.0.1", 0, limit=_CHUNK, backlog=512
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
