"""The port of kubelets: the logs of containers, which print next to nothing."""

import asyncio
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

_LOOK_SECONDS = 1.0
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_END = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """The log of a container.

    Attributes:
        ended: When its container ends (Unix time).
    """

    printed: str
    ended: float


class LogServer:
    """Serves logs by HTTPS, in a thread of its own.

    Attributes:
        port: Where, once it has started.
    """

    def __init__(
        self,
        address: str,
        context: ssl.SSLContext,
        log_of: Callable[[str, str], Log],
    ) -> None:
        """Serve at ``address``; ``start`` begins.

        Args:
            address: Of this machine, at which the API server reaches it.
            context: With a certificate that the API server trusts.
            log_of: Returns a log by the names of pod and container.
        """
        self.port = 0
        self._address = address
        self._context = context
        self._log_of = log_of
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()
        serving = asyncio.run_coroutine_threadsafe(self._serve(), self._loop)
        self.port = serving.result()

    def close(self) -> None:
        """Stop, and cut what is still followed."""
        asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> int:
        server = await asyncio.start_server(
            self._answer_all, self._address, 0, ssl=self._context, backlog=4096
        )
        return int(server.sockets[0].getsockname()[1])

    async def _answer_all(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        # What is canceled at the end is no failure.
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await self._send(writer, head.split(b" ", 2)[1].decode())
        writer.close()

    async def _send(self, writer: asyncio.StreamWriter, url: str) -> None:
        """Send a log; one that is followed ends with its container."""
        parts = urlsplit(url)
        words = parts.path.strip("/").split("/")
        name = (words[2], words[3])  # after containerLogs and the namespace
        writer.write(_HEAD)
        if text := self._log_of(*name).printed:
            writer.write(f"{len(text):x}\r\n{text}\r\n".encode())
        await writer.drain()
        if "follow" in parse_qs(parts.query):
            # Looked for again and again: the end of a container may move.
            while (left := self._log_of(*name).ended - time.time()) > 0:  # noqa: ASYNC110
                await asyncio.sleep(min(left, _LOOK_SECONDS))
        writer.write(_END)
        await writer.drain()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
