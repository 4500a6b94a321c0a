"""The service that looks at the urls of tasks before they are created."""

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from fakes.storage_service import storage_service, stub
from servers.http import Fault, HttpFiles, http_server
from tesk.v1 import storage_service_pb2 as pb
from tesk.v1 import task_pb2
from tesk_model.errors import (
    InvalidRequestError,
    ResourceExhaustedError,
    UnauthenticatedError,
)
from tesk_runtime.rpc.status import invoke

SECONDS = timedelta(seconds=100)
Checks = dict[str, pb.LocationCheck]


@pytest.fixture
def web() -> Iterator[HttpFiles]:
    with http_server() as server:
        yield server


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder with a short name: the path of a socket is limited."""
    with tempfile.TemporaryDirectory(prefix="tesk-") as name:
        yield Path(name)


def entry(
    url: str, kind: "task_pb2.FileType.ValueType" = task_pb2.FILE_TYPE_FILE
) -> task_pb2.Input:
    return task_pb2.Input(path="/in", url=url, type=kind)


def output(url: str) -> task_pb2.Output:
    return task_pb2.Output(path="/out", url=url, type=task_pb2.FILE_TYPE_FILE)


def looked(folder: Path, request: pb.CheckLocationsRequest, **environ: str) -> Checks:
    with storage_service(folder, environ) as channel:
        answer = invoke(stub(channel).CheckLocations, request, timeout=SECONDS)
    return {each.field: each for each in answer.checks}


def test_sizes_and_kinds_of_what_is_there_and_what_is_missing(
    folder: Path, web: HttpFiles
) -> None:
    root = folder / "root"
    (root / "d").mkdir(parents=True)
    (root / "d" / "x").write_bytes(b"x")
    web.files["/a"] = b"12345"

    found = looked(
        folder,
        pb.CheckLocationsRequest(
            inputs=[
                entry(f"{web.url}/a"),
                entry(f"{web.url}/missing"),
                entry(f"file://{root}/d", task_pb2.FILE_TYPE_DIRECTORY),
                task_pb2.Input(path="/c", type=task_pb2.FILE_TYPE_FILE),
            ],
            outputs=[output(f"file://{root}/new"), output(f"{web.url}/new")],
        ),
        TESK_FILE_ROOTS=str(root),
    )

    assert (found["inputs[0]"].verdict, found["inputs[0]"].size_bytes) == ("ok", 5)
    assert found["inputs[0]"].type == "FILE"
    assert found["inputs[1]"].verdict == "failed"
    assert "does not exist" in found["inputs[1]"].message
    assert (found["inputs[2]"].verdict, found["inputs[2]"].type) == ("ok", "DIRECTORY")
    assert not found["inputs[2]"].HasField("size_bytes")
    assert found["inputs[3]"].message == "its content is in the task"
    assert found["outputs[0]"].verdict == "ok"
    assert found["outputs[1]"].verdict == "unknown"
    assert not (root / "new").exists()
    assert {method for method, _ in web.requests} <= {"GET", "HEAD"}


def test_a_server_that_says_nothing_keeps_no_other_result_back(
    folder: Path, web: HttpFiles
) -> None:
    web.files["/a"] = b"12345"
    web.faults["/silent"] = [Fault(is_silent=True)] * 10

    found = looked(
        folder,
        pb.CheckLocationsRequest(
            inputs=[entry(f"{web.url}/silent"), entry(f"{web.url}/a")]
        ),
        TESK_FILER_CHECK_TIMEOUT="12",
    )

    assert found["inputs[0]"].verdict in {"unknown", "failed"}
    assert found["inputs[1]"].verdict == "ok"


def test_credentials_are_those_of_the_owner_and_are_never_told(
    folder: Path,
) -> None:
    credentials = folder / "credentials.yaml"
    with http_server(user="ada", password="s3cr3t-of-ada") as web:
        web.files["/a"] = b"12345"
        login = {"user": "ada", "password": "s3cr3t-of-ada"}
        document = [{"prefix": web.url, "owners": ["ada"], "login": login}]
        credentials.write_text(yaml.safe_dump({"credentials": document}))
        inputs = [entry(f"{web.url}/a")]

        with storage_service(
            folder, {"TESK_FILER_CREDENTIALS": str(credentials)}
        ) as channel:
            own, other = (
                invoke(
                    stub(channel).CheckLocations,
                    pb.CheckLocationsRequest(owner=owner, inputs=inputs),
                    timeout=SECONDS,
                ).checks[0]
                for owner in ("ada", "bob")
            )

    assert own.verdict == "ok"
    assert other.verdict == "failed"
    assert "s3cr3t" not in own.message + other.message + other.url


def test_callers_need_the_internal_token(folder: Path) -> None:
    request = pb.CheckLocationsRequest(inputs=[entry("s3://b/k")])
    with (
        storage_service(folder, {}, token="another") as channel,
        pytest.raises(UnauthenticatedError),
    ):
        invoke(stub(channel).CheckLocations, request, timeout=SECONDS)


def test_what_is_no_input_is_refused(folder: Path) -> None:
    request = pb.CheckLocationsRequest(inputs=[task_pb2.Input(path="/x")])
    with (
        storage_service(folder, {}) as channel,
        pytest.raises(InvalidRequestError),
    ):
        invoke(stub(channel).CheckLocations, request, timeout=SECONDS)


def test_an_owner_may_ask_for_so_many_urls(folder: Path) -> None:
    request = pb.CheckLocationsRequest(owner="alice")
    limit = {"TESK_FILER_CHECKED_URLS_PER_MINUTE": "20"}
    with storage_service(folder, limit) as channel:
        call = stub(channel).CheckLocations
        invoke(call, request, timeout=SECONDS)
        invoke(call, request, timeout=SECONDS)

        with pytest.raises(ResourceExhaustedError) as caught:
            invoke(call, request, timeout=SECONDS)

    assert caught.value.retry_after is not None
