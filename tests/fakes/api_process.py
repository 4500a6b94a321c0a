"""Runs the api as a process, on a scheduler in memory behind real gRPC."""

import http.client
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

import grpc

from fakes.api_scheduler import MemoryScheduler
from programs.ports import free_port
from programs.waiting import eventually
from tesk.v1 import load_service_pb2_grpc
from tesk.v1 import task_service_pb2_grpc as rpc_grpc
from tesk_runtime.rpc.interceptors import ErrorInterceptor, InternalTokenInterceptor
from tesk_runtime.rpc.server import RpcServer

TOKEN = "internal"
_START = 100.0


@contextmanager
def serve_scheduler(scheduler: MemoryScheduler, address: str) -> Iterator[RpcServer]:
    """Serve ``scheduler`` at ``address`` until the block ends."""

    def register(server: grpc.Server) -> None:
        rpc_grpc.add_TaskServiceServicer_to_server(scheduler, server)
        load_service_pb2_grpc.add_LoadServiceServicer_to_server(scheduler, server)

    server = RpcServer(
        services=("tesk.v1.TaskService", "tesk.v1.LoadService"),
        register=register,
        interceptors=[
            ErrorInterceptor(logging.getLogger("scheduler")),
            InternalTokenInterceptor(TOKEN),
        ],
        threads=8,
    )
    server.start(address)
    try:
        yield server
    finally:
        scheduler.gate.set()
        server.stop(timedelta(seconds=0))


@dataclass(frozen=True, slots=True)
class ApiProcess:
    """A running ``python -m tesk_api``."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=100)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        connection = self.connect()
        kind = {"Content-Type": "application/json"} if body else {}
        connection.request(method, path, body, kind | dict(headers or {}))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content

    def assert_serves(self, tasks: str, body: bytes) -> None:
        """Check that other clients are served before they give up."""
        started = time.monotonic()
        assert self.request("GET", "/healthz")[0] == 200
        assert self.request("GET", "/metrics")[0] == 200
        assert self.request("POST", tasks, body)[0] == 200
        assert time.monotonic() - started < 30


@contextmanager
def run_api(folder: Path, scheduler_address: str, **env: str) -> Iterator[ApiProcess]:
    """Run the api until the block ends; it is killed if it does not stop."""
    port = free_port()
    log = folder / f"api-{port}.log"
    with log.open("wb") as stderr:
        process = start_api(folder, scheduler_address, port, stderr=stderr, **env)
    try:
        _wait_until_up(process, port, log)
        yield ApiProcess(process, port, log)
    finally:
        process.terminate()
        try:
            process.wait(100)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def run_with(
    scheduler: MemoryScheduler, folder: Path, **env: str
) -> Iterator[ApiProcess]:
    """Run the api on ``scheduler`` until the block ends."""
    address = f"unix:{folder}/scheduler.sock"
    with serve_scheduler(scheduler, address), run_api(folder, address, **env) as api:
        yield api


def start_api(
    folder: Path,
    scheduler_address: str,
    port: int,
    *,
    stderr: "IO[bytes] | int",
    **env: str,
) -> "subprocess.Popen[bytes]":
    """Start the api and return at once.

    ``DESCRIPTORS`` in ``env`` is how many files it may open.
    """
    token = folder / "token"
    token.write_text(TOKEN, encoding="ascii")
    limited = f"ulimit -n {env.pop('DESCRIPTORS', '$(ulimit -n)')}"
    return subprocess.Popen(
        ["sh", "-c", f"{limited} && exec {sys.executable} -m tesk_api"],
        stderr=stderr,
        env=os.environ
        | {
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "TESK_GRPC_SCHEDULER": scheduler_address,
            "TESK_GRPC_TOKEN_FILE": str(token),
        }
        | env,
    )


def _wait_until_up(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    def is_up() -> bool:
        assert process.poll() is None, f"the api did not start: {log.read_text()}"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    eventually(is_up, within=_START, what="the start of the api")
