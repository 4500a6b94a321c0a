"""Reaches the API server from a pod, with the ServiceAccount of that pod.

Source:
    Kubernetes, "Accessing the Kubernetes API from a Pod", "Directly accessing the REST
    API".
"""

import ssl
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import urllib3

from tesk_kubernetes.connection import (
    POOL_SIZE,
    Connection,
    CredentialsError,
    socket_options,
)

FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes mounts token, certificate and namespace."""

_READ_AGAIN_SECONDS = 60.0  # tokens are rotated, long before they expire


class _Token:
    """The token in a file; thread-safe."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._authorization = ""
        self._read_again_at = 0.0
        self.renew()

    def authorization(self) -> str:
        """Return the header; reads the token again each minute."""
        if time.monotonic() >= self._read_again_at:
            self.renew()
        return self._authorization

    def renew(self) -> None:
        """Read the token again.

        Raises:
            CredentialsError: There is none, as while it is replaced.
        """
        with self._lock:
            token = _read(self._file).strip()
            self._authorization = f"Bearer {token}"
            self._read_again_at = time.monotonic() + _READ_AGAIN_SECONDS


def service_account_connection(
    environ: Mapping[str, str], folder: Path = FOLDER
) -> Connection:
    """Return the connection of a pod; nothing is sent yet.

    Raises:
        CredentialsError: This is no pod, or it has no ServiceAccount.
    """
    host = environ.get("KUBERNETES_SERVICE_HOST", "")
    port = environ.get("KUBERNETES_SERVICE_PORT", "")
    if not (host and port):
        raise CredentialsError(
            "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set"
        )
    token = _Token(folder / "token")
    authorities = folder / "ca.crt"
    _read(authorities)
    return Connection(
        host=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        pool=urllib3.PoolManager(
            num_pools=1,
            maxsize=POOL_SIZE,
            retries=False,
            socket_options=socket_options(),
            cert_reqs=ssl.CERT_REQUIRED,
            ca_certs=str(authorities),
        ),
        authorization=token.authorization,
        renew=token.renew,
    )


def _read(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise CredentialsError(f"{file}: {error.strerror}") from error
    if not text.strip():
        raise CredentialsError(f"{file} is empty")
    return text
