"""Tasks whose files lie on real HTTP, S3 and FTP servers, end to end."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from programs.stack import Stack, running_stack
from scenarios.scenario import Task, shell, system_logs
from servers.ftp import ftp_server
from servers.http import http_server
from servers.s3 import s3_server

PAYLOAD = bytes(range(256)) * 300


class Far:
    """One storage under test: where tasks point, and what is there."""

    def __init__(self, base: str, folder: Path | None = None) -> None:
        self.base = base
        self._folder = folder
        self.files: dict[str, bytes] = {}

    def put(self, name: str, data: bytes) -> None:
        if self._folder is None:
            self.files[f"/{name}"] = data
        else:
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def get(self, name: str) -> bytes | None:
        if self._folder is None:
            return self.files.get(f"/{name}")
        path = self._folder / name
        return path.read_bytes() if path.is_file() else None


class Bucket(Far):
    """An S3 bucket."""

    def __init__(self, client: object) -> None:
        super().__init__("s3://data")
        self._client = client

    def put(self, name: str, data: bytes) -> None:
        self._client.put_object(Bucket="data", Key=name, Body=data)  # type: ignore[attr-defined]

    def get(self, name: str) -> bytes | None:
        listed = self._client.list_objects_v2(Bucket="data", Prefix=name)  # type: ignore[attr-defined]
        if name not in [item["Key"] for item in listed.get("Contents", [])]:
            return None
        body: bytes = self._client.get_object(Bucket="data", Key=name)["Body"].read()  # type: ignore[attr-defined]
        return body


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Stack, dict[str, Far]]]:
    with ExitStack() as exits:
        s3 = exits.enter_context(s3_server("data"))
        client = s3.client()
        exits.callback(client.close)
        folder = tmp_path_factory.mktemp("ftp")
        ftp = exits.enter_context(ftp_server(folder))
        http = exits.enter_context(http_server())
        http.user, http.password = "ada", "pw"
        web = Far(http.url_with_password)
        web.files = http.files
        stack = exits.enter_context(
            running_stack(tmp_path_factory.mktemp("stack"), environ=s3.environ)
        )
        yield (
            stack,
            {
                "http with a password": web,
                "s3": Bucket(client),
                "ftp with a password": Far(ftp.url_with_password, folder),
                "ftp anonymous": Far(ftp.url, folder),
            },
        )


STORAGES = ["http with a password", "s3", "ftp with a password", "ftp anonymous"]


@pytest.mark.parametrize("name", STORAGES)
def test_a_file_comes_and_goes(name: str, world: tuple[Stack, dict[str, Far]]) -> None:
    stack, storages = world
    far = storages[name]
    far.put("in/a b.bin.gz", PAYLOAD)

    task = stack.run(
        {
            "inputs": [{"path": "/in/a", "url": f"{far.base}/in/a%20b.bin.gz"}]
            if name != "s3"
            else [{"path": "/in/a", "url": f"{far.base}/in/a b.bin.gz"}],
            "executors": [shell("cp /in/a /out/b")],
            "outputs": [{"path": "/out/b", "url": f"{far.base}/out/deep/b"}],
        }
    )

    assert task["state"] == "COMPLETE", system_logs(task)
    assert far.get("out/deep/b") == PAYLOAD
    assert task["logs"][0]["outputs"][0]["size_bytes"] == str(len(PAYLOAD))


@pytest.mark.parametrize("name", STORAGES)
def test_directories_and_patterns_go_out(
    name: str, world: tuple[Stack, dict[str, Far]]
) -> None:
    stack, storages = world
    far = storages[name]

    task = stack.run(
        {
            "executors": [
                shell("mkdir -p /out/d/e; echo 1 > /out/d/e/x; echo 2 > /out/y.txt")
            ],
            "outputs": [
                {"path": "/out/d", "url": f"{far.base}/res", "type": "DIRECTORY"},
                {"path": "/out/*.txt", "path_prefix": "/out", "url": f"{far.base}/g"},
            ],
        }
    )

    assert task["state"] == "COMPLETE", system_logs(task)
    assert far.get("res/e/x") == b"1\n"
    assert far.get("g/y.txt") == b"2\n"


@pytest.mark.parametrize("name", [name for name in STORAGES if "http" not in name])
def test_directories_come_in(name: str, world: tuple[Stack, dict[str, Far]]) -> None:
    stack, storages = world
    far = storages[name]
    far.put("tree/a", b"A")
    far.put("tree/sub/b", b"B")

    task = stack.run(
        {
            "inputs": [
                {"path": "/in", "url": f"{far.base}/tree/", "type": "DIRECTORY"}
            ],
            "executors": [shell("cat /in/a /in/sub/b > /out/all")],
            "outputs": [{"path": "/out/all", "url": f"{far.base}/all"}],
        }
    )

    assert task["state"] == "COMPLETE", system_logs(task)
    assert far.get("all") == b"AB"


def _visible(task: Task) -> str:
    return system_logs(task) + str(task["logs"][0].get("metadata", ""))


@pytest.mark.parametrize("name", STORAGES)
def test_a_missing_input_is_told_without_the_password(
    name: str, world: tuple[Stack, dict[str, Far]]
) -> None:
    stack, storages = world
    far = storages[name]

    task = stack.run(
        {
            "inputs": [{"path": "/in/a", "url": f"{far.base}/no/such/file"}],
            "executors": [shell("true")],
        }
    )

    assert task["state"] == "SYSTEM_ERROR"
    assert "no/such/file" in _visible(task)
    assert "p%40ss" not in _visible(task)
    assert ":pw@" not in _visible(task)
    log = stack.log_file.read_text()
    assert "p%40ss" not in log
    assert ":pw@" not in log
