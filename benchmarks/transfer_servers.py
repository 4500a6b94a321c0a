"""Servers that hold files for the benchmark of transfers, and the way to them."""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import create_server

from servers.s3 import ACCESS_KEY, REGION, S3Service

BUCKET = "bench"
_PASSWORD = "s3cr3t-of-minio"  # noqa: S105 - MinIO wants eight characters
_PUBLIC = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["*"]},'
    '"Action":["s3:GetObject","s3:PutObject"],"Resource":["arn:aws:s3:::bench/*"]}]}'
)


@dataclass(frozen=True)
class Server:
    """Where files are, as it is reached.

    Attributes:
        base: Url of everything.
        port: At which it is reached; 0 if by no network.
        environ: What a filer needs to reach it.
        remove: Removes everything below a path, so that the disk does not fill up.
    """

    base: str
    port: int
    remove: Callable[[str], None]
    environ: Mapping[str, str] = field(default_factory=dict)

    def through(self, port: int) -> "Server":
        """Return the server as it is reached at another port of this machine."""

        def moved(text: str) -> str:
            return text.replace(f"127.0.0.1:{self.port}", f"127.0.0.1:{port}")

        environ = {name: moved(value) for name, value in self.environ.items()}
        return Server(moved(self.base), port, self.remove, environ)


Serve = Callable[[Path], AbstractContextManager[Server]]


@contextmanager
def folder_server(folder: Path) -> Iterator[Server]:
    """A folder of this machine."""
    (folder / "files").mkdir()
    yield Server(
        f"file://{folder}/files",
        0,
        lambda path: shutil.rmtree(folder / "files" / path),
    )


@contextmanager
def s3_service(folder: Path) -> Iterator[Server]:
    """MinIO with a bucket that all may read and write."""
    with _minio(folder) as endpoint:
        environ = S3Service(endpoint, _PASSWORD).environ
        port = int(endpoint.rpartition(":")[2])
        yield Server(f"s3://{BUCKET}", port, _remover(folder), environ)


@contextmanager
def http_service(folder: Path) -> Iterator[Server]:
    """The same by plain HTTP: MinIO serves objects that are public."""
    with _minio(folder) as endpoint:
        port = int(endpoint.rpartition(":")[2])
        yield Server(f"{endpoint}/{BUCKET}", port, _remover(folder))


@contextmanager
def delayed(server: Server, milliseconds: int) -> Iterator[Server]:
    """The server as it is reached with so much more latency."""
    if not milliseconds or not server.port:
        yield server
        return
    program = Path(__file__).with_name("delay_proxy.py")
    with subprocess.Popen(  # noqa: S603 - of this folder
        [sys.executable, str(program), str(server.port), str(milliseconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as proxy:
        assert proxy.stdout is not None
        yield server.through(int(proxy.stdout.readline()))
        proxy.terminate()


def problem(serve: Serve) -> str:
    """Return why a server cannot be started; "" if it can."""
    if serve is folder_server or _program():
        return ""
    return "no server: put minio on the PATH, or name it by TESK_BENCH_MINIO"


def _program() -> str | None:
    return os.environ.get("TESK_BENCH_MINIO") or shutil.which("minio")


def _remover(folder: Path) -> Callable[[str], None]:
    return lambda path: shutil.rmtree(folder / "minio" / BUCKET / path)


@contextmanager
def _minio(folder: Path) -> Iterator[str]:
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = _program()
    assert program is not None
    (folder / "minio").mkdir()
    with subprocess.Popen(  # noqa: S603 - as the caller named it
        [program, "server", "--address", f"127.0.0.1:{port}", str(folder / "minio")],
        env={
            "HOME": str(folder),
            "MINIO_ROOT_USER": ACCESS_KEY,
            "MINIO_ROOT_PASSWORD": _PASSWORD,
            "MINIO_REGION": REGION,
            "MINIO_BROWSER": "off",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            endpoint = f"http://127.0.0.1:{port}"
            _wait_for(f"{endpoint}/minio/health/ready")
            client = S3Service(endpoint, _PASSWORD).client()
            client.create_bucket(Bucket=BUCKET)
            client.put_bucket_policy(Bucket=BUCKET, Policy=_PUBLIC)
            client.close()
            yield endpoint
        finally:
            process.terminate()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
