"""Filers that upload outputs again by themselves, as in a pod that runs all steps."""

import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.filer_process import FilerRun
from fakes.filer_scheduler import TransferRecord
from servers.http import Fault, HttpFiles, http_server
from tesk_model.task import Input, Output

ONE_UPLOAD = {"TESK_FILER_TRIES": "1"}  # so that each fault fails a whole upload


@pytest.fixture
def web() -> Iterator[HttpFiles]:
    with http_server() as server:
        yield server


@pytest.fixture
def filer(tmp_path: Path, record: TransferRecord, web: HttpFiles) -> FilerRun:
    """A filer with two outputs to upload, of which a storage takes one."""
    run = FilerRun(tmp_path, environ=ONE_UPLOAD)
    for name in ("a", "b"):
        (run.volume / name).write_text(name)
    record.outputs = tuple(
        Output(path=f"/{name}", url=f"{web.url}/{name}") for name in ("a", "b")
    )
    web.faults["/b"] = [Fault(status=503)] * 2
    return run


def with_tries(filer: FilerRun, tries: int, backoff: float = 0.01) -> FilerRun:
    return changed(
        filer,
        {
            "TESK_FILER_UPLOAD_TRIES": str(tries),
            "TESK_FILER_UPLOAD_BACKOFF": str(backoff),
        },
    )


def changed(filer: FilerRun, environ: Mapping[str, str]) -> FilerRun:
    return replace(filer, environ={**filer.environ, **environ})


def test_outputs_that_a_storage_refused_at_first_are_uploaded(
    record: TransferRecord, filer: FilerRun, web: HttpFiles
) -> None:
    code, log = with_tries(filer, 3).run(record, "outputs")

    assert code == 0, log
    assert web.files == {"/a": b"a", "/b": b"b"}
    # What had arrived was not sent again.
    assert web.requests.count(("PUT", "/a")) == 1
    assert [bool(result.error) for result in record.results] == [True, True, False]
    assert "; try 2 of 3 in 0 s" in record.results[0].error
    assert record.result.warnings == ("the outputs were uploaded at try 3",)
    assert (record.result.files, record.result.resumed_files) == (2, 1)


def test_when_no_try_is_left_the_filer_ends_with_75(
    record: TransferRecord, filer: FilerRun
) -> None:
    code, _ = with_tries(filer, 2).run(record, "outputs")

    assert code == 75
    assert "the outputs could not be uploaded, tried 2 times: " in record.result.error


def test_outputs_are_uploaded_once_by_default(
    record: TransferRecord, filer: FilerRun
) -> None:
    assert filer.run(record, "outputs")[0] == 75
    assert len(record.results) == 1


def test_outputs_are_uploaded_once_after_an_executor_that_failed(
    record: TransferRecord, filer: FilerRun
) -> None:
    after = changed(with_tries(filer, 3), {"TESK_AFTER": "failed"})

    assert after.run(record, "outputs")[0] == 75
    assert len(record.results) == 1


def test_after_executors_that_passed_all_tries_are_made(
    record: TransferRecord, filer: FilerRun
) -> None:
    after = changed(with_tries(filer, 3), {"TESK_AFTER": "passed"})

    assert after.run(record, "outputs")[0] == 0


def test_inputs_are_left_to_a_new_attempt(
    record: TransferRecord, filer: FilerRun, web: HttpFiles
) -> None:
    record.inputs = (Input(path="/in", url=f"{web.url}/b"),)

    assert with_tries(filer, 3).run(record, "inputs")[0] == 75
    assert len(record.results) == 1


def test_sigterm_ends_the_wait_for_the_next_try(
    record: TransferRecord, filer: FilerRun
) -> None:
    with with_tries(filer, 3, backoff=600).start(record, "outputs") as process:
        assert record.finished.wait(100)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=100)

    assert process.returncode == 143
    assert "; try 2 of 3 in " in record.result.error
