"""Runs HTTP servers in processes: sockets, signals, worker processes.

With one worker the process serves by itself. With more, a parent restarts those that
end; they share its listening sockets.
"""

import asyncio
import contextlib
import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.process import BaseProcess

from tesk_runtime.http.limits import HttpLimits
from tesk_runtime.http.server import HttpServer, Service

_ENDING = (signal.SIGTERM, signal.SIGINT)
_AFTER_DRAIN = 3.0  # seconds that a worker may take to end after its drain
_RESTART_SECONDS = 1.0  # between two starts of the same worker
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address, and the service there."""

    listener: socket.socket
    service: Service
    limits: HttpLimits


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound and does not listen yet.

    Raises:
        OSError: The address is not available.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    listener.set_inheritable(True)
    return listener


def serve_endpoints(
    endpoints: Callable[[], Sequence[Endpoint]], drain: timedelta
) -> None:
    """Serve in this process until SIGTERM or SIGINT.

    Args:
        endpoints: Builds the services.
        drain: Time for open requests to finish then.
    """

    async def main() -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in _ENDING:
            loop.add_signal_handler(number, stop.set)
        await asyncio.gather(
            *(
                HttpServer(loop, endpoint.service, endpoint.limits).serve(
                    endpoint.listener, stop, drain
                )
                for endpoint in endpoints()
            )
        )

    asyncio.run(main())


def serve_by_workers(
    endpoints: Callable[[], Sequence[Endpoint]], drain: timedelta, *, workers: int
) -> None:
    """Serve in ``workers`` child processes until SIGTERM or SIGINT."""
    signals, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in _ENDING:
        signal.signal(number, lambda _signal, _frame: None)
    processes = [_Worker(endpoints, drain) for _ in range(workers)]
    while not _wait_for(signals, processes):
        for worker in processes:
            worker.ensure_running()
    for worker in processes:
        worker.terminate()
    deadline = time.monotonic() + drain.total_seconds() + _AFTER_DRAIN
    for worker in processes:
        worker.join(deadline)


def serve_in_thread(endpoint: Endpoint) -> Callable[[], None]:
    """Serve in a thread of this process; return the function that stops it."""
    # Connections that come before the thread has started wait for it.
    endpoint.listener.listen()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def main() -> None:
        server = HttpServer(loop, endpoint.service, endpoint.limits)
        await server.serve(endpoint.listener, stop, timedelta())

    def run() -> None:
        with contextlib.closing(loop):
            loop.run_until_complete(main())

    thread = threading.Thread(target=run, name="http", daemon=True)
    thread.start()

    def end() -> None:
        loop.call_soon_threadsafe(stop.set)
        thread.join()

    return end


@dataclass(slots=True)
class _Worker:
    """One worker process, restarted when it ends."""

    endpoints: Callable[[], Sequence[Endpoint]]
    drain: timedelta
    process: BaseProcess | None = None
    started: float = field(default=-_RESTART_SECONDS)

    def ensure_running(self) -> None:
        """Start it unless it runs, or has just been started."""
        if self.process is not None and self.process.is_alive():
            return
        if self.process is not None:
            if time.monotonic() < self.started + _RESTART_SECONDS:
                return
            code = self.process.exitcode
            _logger.warning("worker ended", extra={"exit_code": code})
        fork = multiprocessing.get_context("fork")
        self.process = fork.Process(target=self._serve)
        self.started = time.monotonic()
        self.process.start()

    def terminate(self) -> None:
        """Send SIGTERM."""
        if self.process is not None and self.process.is_alive():
            self.process.terminate()

    def join(self, deadline: float) -> None:
        """Wait for its end, and kill it at ``deadline``."""
        if self.process is None:
            return
        self.process.join(max(0.0, deadline - time.monotonic()))
        if self.process.is_alive():
            self.process.kill()
            self.process.join()

    def _serve(self) -> None:
        signal.set_wakeup_fd(-1)
        for number in _ENDING:
            signal.signal(number, signal.SIG_DFL)
        watch_parent_death()
        serve_endpoints(self.endpoints, self.drain)


def watch_parent_death() -> None:
    """Stop this worker when its parent dies: an orphan would keep the port."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _wait_for(signals: int, processes: Sequence[_Worker]) -> bool:
    """Wait until a worker ends or may be started again; True for a signal."""
    sentinels = [
        worker.process.sentinel
        for worker in processes
        if worker.process is not None and worker.process.is_alive()
    ]
    missing = len(sentinels) < len(processes)
    ready = multiprocessing.connection.wait(
        [signals, *sentinels], timeout=_RESTART_SECONDS / 4 if missing else None
    )
    return signals in ready and bool(set(os.read(signals, 64)) & set(_ENDING))
