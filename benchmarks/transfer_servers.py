"""Servers that hold files for the benchmark of transfers, and the way to them."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import create_connection, create_server

from servers.s3 import ACCESS_KEY, REGION, S3Service
from servers.sshd import sshd_problem, sshd_server

BUCKET = "bench"
SSH_USER, SSH_KEY = "BENCH_SSH_USER", "BENCH_SSH_KEY"
"""Variables with the user and the file of the key for sftp."""
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
        environ_at: The same for another port, if that is not only another number.
        remove: Removes everything below a path, so that the disk does not fill up.
    """

    base: str
    port: int
    remove: Callable[[str], None]
    environ: Mapping[str, str] = field(default_factory=dict)
    environ_at: Callable[[int], Mapping[str, str]] | None = None

    def through(self, port: int) -> "Server":
        """Return the server as it is reached at another port of this machine."""

        def moved(text: str) -> str:
            return text.replace(f"127.0.0.1:{self.port}", f"127.0.0.1:{port}")

        if self.environ_at:
            environ = self.environ_at(port)
        else:
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
def sftp_service(folder: Path) -> Iterator[Server]:
    """OpenSSH with a folder."""
    files = folder / "files"
    files.mkdir()
    with sshd_server(folder) as server:
        known_hosts = folder / "known_hosts"
        known_hosts.write_text(f"[127.0.0.1]:* {server.host_key}\n")

        def environ(port: int) -> Mapping[str, str]:
            credentials = folder / f"{port}.yaml"
            credentials.write_text(
                f"credentials:\n  - prefix: sftp://127.0.0.1:{port}\n    privateKey:"
                f" {{user: {server.user}, keyFile: {server.private_key.name}}}\n"
            )
            return {
                "TESK_FILER_KNOWN_HOSTS": str(known_hosts),
                "TESK_FILER_CREDENTIALS": str(credentials),
                SSH_USER: server.user,
                SSH_KEY: str(server.private_key),
            }

        yield Server(
            f"sftp://127.0.0.1:{server.port}{files}",
            server.port,
            lambda path: shutil.rmtree(files / path),
            environ(server.port),
            environ,
        )


@contextmanager
def ftp_service(folder: Path) -> Iterator[Server]:
    """Pyftpdlib with a folder, in a process; its data ports cannot be delayed."""
    files = folder / "files"
    files.mkdir()
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    place = ["-i", "127.0.0.1", "-p", str(port), "-d", str(files)]
    with subprocess.Popen(  # noqa: S603 - of this environment
        [sys.executable, "-m", "pyftpdlib", "--write", *place],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            _wait_for_port(port)
            yield Server(
                f"ftp://127.0.0.1:{port}", 0, lambda path: shutil.rmtree(files / path)
            )
        finally:
            process.terminate()


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
        proxy.kill()


def problem(serve: Serve) -> str:
    """Return why a server cannot be started; "" if it can."""
    if serve in (s3_service, http_service) and not _program():
        return "no server: put minio on the PATH, or name it by TESK_BENCH_MINIO"
    if serve is sftp_service:
        with tempfile.TemporaryDirectory() as folder:
            return sshd_problem(Path(folder))
    return ""


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


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            create_connection(("127.0.0.1", port), 5).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


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
