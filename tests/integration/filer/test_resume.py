"""Filers that are killed on the way, and go on where they were."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.filer_process import FilerRun
from fakes.filer_scheduler import TransferRecord
from programs.waiting import eventually
from servers.http import Fault, HttpFiles, http_server
from servers.s3 import s3_server
from tesk_model.task import FileType, Input, Output

MIB = 1024 * 1024
SIGNALS = {"SIGKILL": -9, "SIGTERM": 143}
GRACE = 10  # seconds; a pod has 30


@pytest.fixture
def web() -> Iterator[HttpFiles]:
    with http_server() as server:
        yield server


@pytest.fixture
def filer(tmp_path: Path) -> FilerRun:
    return FilerRun(tmp_path, environ={"TESK_FILER_PARALLEL": "1"})


def kill_when_held(
    record: TransferRecord, filer: FilerRun, web: HttpFiles, direction: str, name: str
) -> None:
    with filer.start(record, direction) as process:
        assert web.held.wait(100)
        process.send_signal(getattr(signal, name))
        process.communicate(timeout=100)
        web.release.set()
    assert process.returncode == SIGNALS[name]
    assert record.results == []


@pytest.mark.parametrize("name", SIGNALS)
def test_inputs_that_had_arrived_are_not_asked_for_again(
    record: TransferRecord, filer: FilerRun, web: HttpFiles, name: str
) -> None:
    web.files = {f"/{number}": b"x" * 2000 for number in range(4)}
    web.faults["/2"] = [Fault(hold_at=1000)]
    record.inputs = tuple(
        Input(path=f"/in/{number}", url=f"{web.url}/{number}") for number in range(4)
    )
    kill_when_held(record, filer, web, "inputs", name)

    code, log = filer.run(record, "inputs")

    assert code == 0, log
    assert [web.requests.count(("GET", f"/{number}")) for number in range(4)] == [
        *(1, 1, 2, 1)
    ]
    assert all(
        (filer.volume / f"in/{number}").read_bytes() == b"x" * 2000
        for number in range(4)
    )


def test_outputs_that_were_taken_are_not_sent_again(
    record: TransferRecord, filer: FilerRun, web: HttpFiles
) -> None:
    for number in range(4):
        (filer.volume / str(number)).write_text("x")
    web.faults["/2"] = [Fault(hold_at=0)]
    record.outputs = tuple(
        Output(path=f"/{number}", url=f"{web.url}/{number}") for number in range(4)
    )
    kill_when_held(record, filer, web, "outputs", "SIGKILL")
    record.uploaded.clear()  # the calls may have been lost with the filer

    code, log = filer.run(record, "outputs")

    assert code == 0, log
    assert [web.requests.count(("PUT", f"/{number}")) for number in range(4)] == [
        *(1, 1, 2, 1)
    ]
    assert sorted(path for _, path in record.uploaded) == ["/0", "/1", "/2", "/3"]


def test_an_upload_in_parts_that_is_stopped_leaves_none_behind(
    record: TransferRecord, filer: FilerRun
) -> None:
    with (filer.volume / "large").open("wb") as file:
        file.truncate(100 * MIB)
    record.outputs = (Output(path="/large", url="s3://stopped/large"),)
    with s3_server("stopped") as service:
        slow = {"TESK_FILER_MAX_BYTES_PER_SECOND": str(10 * MIB)}
        uploading = FilerRun(filer.folder, environ=service.environ | slow)
        client = service.client()
        with uploading.start(record, "outputs") as process:
            eventually(
                lambda: client.list_multipart_uploads(Bucket="stopped").get("Uploads"),
                what="an upload in parts",
            )
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=GRACE)

        assert process.returncode == SIGNALS["SIGTERM"], log
        assert "Uploads" not in client.list_multipart_uploads(Bucket="stopped")
        assert "Contents" not in client.list_objects_v2(Bucket="stopped")
        client.close()


def test_a_connection_that_breaks_costs_only_what_was_on_the_way(
    record: TransferRecord, filer: FilerRun, web: HttpFiles
) -> None:
    content = bytes(range(256)) * (20 * MIB // 256)
    web.has_ranges = True
    web.files = {"/large": content}
    web.faults["/large"] = [Fault(cut_at=18 * MIB), Fault(status=503, retry_after="0")]
    record.inputs = (Input(path="/large", url=f"{web.url}/large"),)
    in_parts = FilerRun(
        filer.folder, environ={**filer.environ, "TESK_FILER_PARTS_FROM": "1"}
    )

    code, log = in_parts.run(record, "inputs")

    assert code == 0, log
    assert (filer.volume / "large").read_bytes() == content
    assert record.result.bytes == len(content)
    assert web.sent["/large"] <= 20 * MIB + 4 * MIB


def test_a_filer_is_stopped_while_a_storage_does_not_answer_for_a_directory(
    record: TransferRecord, filer: FilerRun, web: HttpFiles
) -> None:
    web.faults["/pub/"] = [Fault(is_silent=True)]
    listing = FilerRun(filer.folder, environ={"TESK_URLS_INDEX_PAGES": web.url})
    record.inputs = (Input(path="/in", url=f"{web.url}/pub/", type=FileType.DIRECTORY),)

    with listing.start(record, "inputs") as process:
        eventually(lambda: web.requests, what="a request")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=GRACE)
        web.release.set()

    assert process.returncode == SIGNALS["SIGTERM"], log
    assert record.results == []


def parts_in_manifest(filer: FilerRun) -> list[tuple[int, int]]:
    """Return the parts that the manifest says have arrived."""
    lines = (filer.volume / ".tesk/inputs.manifest").read_text().splitlines()
    records = [json.loads(line.partition(" ")[2]) for line in lines]
    return sorted(
        (each["start"], each["stop"]) for each in records if each["type"] == "part"
    )


@pytest.mark.parametrize("name", SIGNALS)
def test_a_large_file_goes_on_with_the_part_that_was_on_the_way(
    record: TransferRecord, filer: FilerRun, web: HttpFiles, name: str
) -> None:
    content = bytes(range(256)) * (40 * MIB // 256)
    web.has_ranges = True
    web.files = {"/large": content}
    web.faults["/large"] = [Fault(hold_at=38 * MIB)]
    record.inputs = (Input(path="/large", url=f"{web.url}/large"),)
    in_parts = FilerRun(
        filer.folder, environ={**filer.environ, "TESK_FILER_PARTS_FROM": "1"}
    )
    with in_parts.start(record, "inputs") as process:
        # Two parts of 16 MiB, and more, are there.
        while not record.reports or record.reports[-1].bytes_done < 33 * MIB:
            record.reported.clear()
            assert record.reported.wait(100)
        process.send_signal(getattr(signal, name))
        process.communicate(timeout=GRACE)
        web.release.set()
    assert process.returncode == SIGNALS[name]
    assert record.results == []
    assert not (filer.volume / "large").exists()
    assert parts_in_manifest(filer) == [(0, 16 * MIB), (16 * MIB, 32 * MIB)]
    web.sent.clear()

    code, log = in_parts.run(record, "inputs")

    assert code == 0, log
    assert (filer.volume / "large").read_bytes() == content
    assert web.sent == {"/large": 8 * MIB}


@pytest.mark.parametrize("name", SIGNALS)
def test_small_outputs_on_the_way_are_visible_whole_or_not_at_all(
    record: TransferRecord, tmp_path: Path, name: str
) -> None:
    (tmp_path / "files").mkdir()
    slow = {"TESK_FILER_MAX_BYTES_PER_SECOND": "100000"}
    filer = FilerRun(tmp_path, (tmp_path / "files",), environ=slow)
    names = [f"d{number % 3}/{number:03}" for number in range(100)]
    for each in names:
        (filer.volume / "out" / each).parent.mkdir(parents=True, exist_ok=True)
        (filer.volume / "out" / each).write_text(each * 1000)
    url = f"file://{tmp_path}/files/out"
    record.outputs = (Output(path="/out", url=url, type=FileType.DIRECTORY),)
    with filer.start(record, "outputs") as process:
        while not record.reports or not record.reports[-1].bytes_done:
            record.reported.clear()
            assert record.reported.wait(100)
        process.send_signal(getattr(signal, name))
        process.communicate(timeout=GRACE)
    assert process.returncode == SIGNALS[name]
    found = {
        str(each.relative_to(tmp_path / "files/out")): each.read_text()
        for each in (tmp_path / "files/out").rglob("[0-9]*")
        if each.is_file()
    }
    assert found.items() <= {each: each * 1000 for each in names}.items()
    assert len(found) < len(names)
    assert {path for _, path in record.uploaded} <= {f"/out/{each}" for each in found}

    code, log = FilerRun(tmp_path, filer.roots).run(record, "outputs")

    assert code == 0, log
    assert sorted(
        str(each.relative_to(tmp_path / "files/out"))
        for each in (tmp_path / "files/out").rglob("*")
        if each.is_file()
    ) == sorted(names)


def test_a_filer_that_is_killed_again_and_again_comes_to_an_end(
    record: TransferRecord, filer: FilerRun, web: HttpFiles
) -> None:
    content = bytes(range(251)) * (40 * MIB // 251)
    small = {f"/{number}": str(number).encode() * 999 for number in range(5)}
    web.has_ranges = True
    web.files = {"/large": content, **small}
    record.inputs = tuple(
        Input(path=f"/in{path}", url=web.url + path) for path in web.files
    )
    in_parts = FilerRun(
        filer.folder, environ={**filer.environ, "TESK_FILER_PARTS_FROM": "1"}
    )
    # Around the edges of parts, of 16 MiB, and of what is written at once.
    held = (0, 1, 16 * MIB - 1, 16 * MIB, 16 * MIB + 1, 31 * MIB + 77)
    for position in held:
        web.faults["/large"] = [Fault(hold_at=position)]
        web.held.clear()
        web.release.clear()
        with in_parts.start(record, "inputs") as process:
            assert web.held.wait(100)
            process.kill()
            process.communicate(timeout=GRACE)
            web.release.set()
        assert not (filer.volume / "in/large").exists()

    code, log = in_parts.run(record, "inputs")

    assert code == 0, log
    for path, each in web.files.items():
        assert (filer.volume / f"in{path}").read_bytes() == each
    assert record.result.files == len(web.files)
    assert [web.requests.count(("GET", path)) for path in small] == [1] * len(small)
