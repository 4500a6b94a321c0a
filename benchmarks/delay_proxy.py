"""A TCP proxy that adds latency, as a network between two places does.

Usage: ``python delay_proxy.py PORT MILLISECONDS`` passes connections on to ``PORT`` of
this machine, prints its own port, and runs until its standard input ends. Each byte is
half of the time on its way, in both directions; a connection takes the whole once more,
as its handshake would. What is on its way is bounded, as the buffers of TCP are.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable

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
            await waiting.put((loop.time() + delay, data))


def handler(port: int, latency: float) -> Handler:
    """Return what serves a connection to ``port``."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(latency)
        there, back = await asyncio.open_connection("127.0.0.1", port, limit=_CHUNK)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(carry(reader, back, latency / 2))
                tasks.create_task(carry(there, writer, latency / 2))
        except* OSError:
            pass  # one side has closed, as it may
        finally:
            back.close()
            writer.close()

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
