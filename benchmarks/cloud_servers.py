"""Emulators of clouds for the benchmark of transfers, as the tests have them.

They hold everything in memory, and take more time for a request than a cloud does.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx

from servers.azure import KEY, microsofts_client
from servers.gcs import gcs_server
from transfer_server import LOOPBACK, Server

_BUCKET = "bench"


@contextmanager
def gs_service(folder: Path) -> Iterator[Server]:
    """The server of Google's requests (fake-gcs-server)."""
    with gcs_server(_BUCKET) as endpoint, httpx.Client(base_url=endpoint) as client:
        listing = f"/storage/v1/b/{_BUCKET}/o"

        def remove(path: str) -> None:
            query = {"prefix": f"{path}/", "fields": "items(name)", "maxResults": "999"}
            while items := client.get(listing, params=query).json().get("items"):
                for item in items:
                    client.delete(f"{listing}/{quote(item['name'], safe='')}")

        def environ(port: int) -> Mapping[str, str]:
            url = f"http://{LOOPBACK}:{port}"
            # Its answers hold urls, by which other clients download.
            told = client.put("/_internal/config", json={"externalUrl": url})
            told.raise_for_status()
            return _credentials(folder, port, gcs={"endpoint": url, "anonymous": True})

        port = urlsplit(endpoint).port or 0
        yield Server(f"gs://{_BUCKET}", port, remove, environ(port), environ)


@contextmanager
def azure_service(folder: Path) -> Iterator[Server]:
    """A server of Azure's requests, in a process."""
    program = Path(__file__).with_name("azure_program.py")
    with subprocess.Popen(  # noqa: S603 - of this folder
        [sys.executable, str(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asked, answered = process.stdin, process.stdout
        endpoint = urlsplit(answered.readline().strip())

        def remove(path: str) -> None:
            asked.write(f"{_BUCKET}/{path}/\n")
            answered.readline()

        def environ(port: int) -> Mapping[str, str]:
            url = f"http://{LOOPBACK}:{port}{endpoint.path}"
            return _credentials(folder, port, azure={"endpoint": url, "key": KEY})

        with microsofts_client(endpoint.geturl()) as client:
            client.create_container(_BUCKET)
        port = endpoint.port or 0
        yield Server(f"az://{_BUCKET}", port, remove, environ(port), environ)
        process.kill()


def _credentials(folder: Path, port: int, **entry: object) -> Mapping[str, str]:
    """Return the variable that names a file with credentials of everything."""
    schemes = {"gcs": "gs", "azure": "az"}
    (kind,) = entry
    prefix = f"{schemes[kind]}://{_BUCKET}"
    file = folder / f"{port}.json"
    file.write_text(json.dumps({"credentials": [{"prefix": prefix, **entry}]}))
    return {"TESK_FILER_CREDENTIALS": str(file)}
