"""Servers that hold files for the benchmark of transfers; clouds are in a file of their own."""

import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from programs.ports import free_port
from programs.waiting import eventually
from servers.s3 import ACCESS_KEY, REGION, S3Service
from servers.sshd import sshd_problem, sshd_server
from transfer_server import Serve, Server, free_ports, wait_for

BUCKET = "bench"
SSH_USER, SSH_KEY = "BENCH_SSH_USER", "BENCH_SSH_KEY"
"""Variables with the user and the file of the key for sftp."""
_PASSWORD = "s3cr3t-of-minio"  # noqa: S105 - MinIO wants eight characters
_DATA_PORTS = 256  # of ftp: as many connections of data at once
_PUBLIC = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["*"]},'
    '"Action":["s3:GetObject","s3:PutObject"],"Resource":["arn:aws:s3:::bench/*"]}]}'
)


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
    """Pyftpdlib with a folder, in a process.

    It has an address of its own, so that a proxy can have the same ports: clients of
    EPSV, and those that trust no address of PASV, open data connections by number.
    """
    files = folder / "files"
    files.mkdir()
    address, data_ports = "127.0.0.2", free_ports(_DATA_PORTS, "127.0.0.2")
    port = free_port()
    place = ["-i", address, "-p", str(port), "-d", str(files)]
    place += ["-r", f"{data_ports.start}-{data_ports.stop - 1}"]
    with subprocess.Popen(  # noqa: S603 - of this environment
        [sys.executable, "-m", "pyftpdlib", "--write", *place],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            wait_for(address, port)
            yield Server(
                f"ftp://{address}:{port}",
                port,
                lambda path: shutil.rmtree(files / path),
                address=address,
                data_ports=data_ports,
            )
        finally:
            process.terminate()


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
    port = free_port()
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
            ready = f"{endpoint}/minio/health/ready"
            eventually(lambda: _is_ready(ready), what="MinIO")
            client = S3Service(endpoint, _PASSWORD).client()
            client.create_bucket(Bucket=BUCKET)
            client.put_bucket_policy(Bucket=BUCKET, Policy=_PUBLIC)
            client.close()
            yield endpoint
        finally:
            process.terminate()


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False
