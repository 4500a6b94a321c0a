"""Deploys a storage in the cluster that can hold transfers back, and controls it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx

from cluster.kube import Kube
from cluster.python_server import python_server
from cluster.retrying_transport import RetryingTransport
from cluster.service_access import access_service
from programs.waiting import eventually

PORT = 8000
_PROGRAM = Path(__file__).parent / "gated_storage_program.py"


class GatedStorage:
    """A storage in the cluster; transfers of each key can be held back.

    Attributes:
        url: Of the storage, as pods reach it.
    """

    def __init__(self, url: str, client: httpx.Client) -> None:
        self.url = url
        self._client = client

    def open(self, key: str) -> None:
        """Let the transfers of ``key`` pass."""
        self._client.post(f"/-/open/{key}").raise_for_status()

    def close(self, key: str) -> None:
        """Hold the transfers of ``key`` back."""
        self._client.post(f"/-/close/{key}").raise_for_status()

    def arrived(self, key: str) -> int:
        """Return how many transfers came to a gate."""
        return int(self._client.get(f"/-/arrived/{key}").raise_for_status().text)

    def wait_for_transfer(self, key: str, count: int = 1) -> None:
        """Wait until so many transfers have come to a gate."""
        eventually(
            lambda: self.arrived(key) >= count,
            within=90,
            every=0.2,
            what=f"a transfer at the gate {key}",
        )

    def put(self, path: str, data: bytes) -> str:
        """Store a file, past the gates, and return its url."""
        self._client.put(f"/-/file/{quote(path)}", content=data).raise_for_status()
        return f"{self.url}/{quote(path)}"

    def get(self, path: str) -> bytes | None:
        """Return a file, past the gates."""
        answer = self._client.get(f"/-/file/{quote(path)}")
        return answer.content if answer.status_code == 200 else None

    def names(self, prefix: str) -> list[str]:
        """Return the paths of the files whose paths begin with ``prefix``."""
        names: list[str] = self._client.get("/-/names").raise_for_status().json()
        return [name[1:] for name in names if name.startswith(f"/{prefix}")]


@contextlib.contextmanager
def gated_storage_in(kube: Kube, namespace: str, image: str) -> Iterator[GatedStorage]:
    """Run a gate in ``namespace`` from an image with Python in ``/app``."""
    kube.apply(
        *python_server("gate", namespace, image, _PROGRAM, port=PORT, ready="/-/names")
    )
    kube.wait_for_pods(namespace, "app=gate")
    with (
        access_service(kube, namespace, "gate", PORT) as address,
        httpx.Client(
            base_url=f"http://{address}",
            timeout=30,
            transport=RetryingTransport(retries=3),
        ) as client,
    ):
        yield GatedStorage(f"http://gate.{namespace}.svc:{PORT}", client)
