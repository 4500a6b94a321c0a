"""Microsoft's own emulator of Azure Storage (Azurite), where it is installed."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from programs.ports import free_port
from programs.waiting import eventually
from servers.azure import ACCOUNT, KEY

PROGRAM = Path("build/azurite/node_modules/.bin/azurite-blob").absolute()
"""Where ``make azurite`` puts it."""


@contextmanager
def azurite_server() -> Iterator[str]:
    """Serve blobs until the end of the block; yield the endpoint of the account."""
    port = free_port()
    address = ("--blobHost", "127.0.0.1", "--blobPort", str(port))
    with subprocess.Popen(
        [PROGRAM, "--inMemoryPersistence", "--silent", "--disableTelemetry", *address],
        env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
        try:
            eventually(lambda: _answers(endpoint), what="the server")
            yield endpoint
        finally:
            process.terminate()


def _answers(endpoint: str) -> bool:
    try:
        return httpx.get(endpoint).status_code > 0
    except httpx.TransportError:
        return False
