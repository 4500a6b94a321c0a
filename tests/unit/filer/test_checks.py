"""What is told of a task's inputs and outputs before it runs."""

import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.filer_storage import MemoryStorage
from tesk_filer.adapters.empty_file import write_empty
from tesk_filer.adapters.storage.local import LocalStorage
from tesk_filer.adapters.storage.shared import open_shared
from tesk_filer.domain.checks import Check, Verdict, WriteFound
from tesk_filer.ports import Storage, StorageError
from tesk_filer.usecases.checks import Checks
from tesk_filer.usecases.retry import Retry
from tesk_model.locations import Location
from tesk_model.task import FileType, Input, Output, Task

PROBE = ".tesk-check-1"


class ByScheme:
    """Finds storages by scheme."""

    def __init__(self, storages: Mapping[str, Storage]) -> None:
        self._storages = storages

    def of(self, location: Location) -> Storage:
        return self._storages[location.scheme]


def found(
    task: Task, storages: Mapping[str, Storage], *, probe: bool = False
) -> list[Check]:
    retry = Retry(
        tries=2, backoff=timedelta(), longest=timedelta(), halt=threading.Event()
    )
    checks = Checks(
        storages=ByScheme(storages),
        retry=retry,
        write_empty=write_empty if probe else None,
        probe_name=PROBE,
    )
    return [check() for check in checks.of_task(task)]


FILES = {"s3://b/a": b"content", "s3://b/empty": b"", "s3://b/d/x": b"x"}
INPUTS = {
    "a file": (Input(path="/a", url="s3://b/a"), "its first byte was read; it has 7 B"),
    "an empty file": (Input(path="/a", url="s3://b/empty"), "was opened; it is empty"),
    "a directory": (
        Input(path="/a", url="s3://b/d", type=FileType.DIRECTORY),
        "was listed, and the first byte of its first file was read",
    ),
    "content": (Input(path="/a", content="x"), "its content is in the task"),
}


@pytest.mark.parametrize(("entry", "want"), INPUTS.values(), ids=INPUTS)
def test_an_input_that_can_be_read(entry: Input, want: str) -> None:
    [check] = found(Task(inputs=(entry,)), {"s3": MemoryStorage(dict(FILES))})

    assert (check.verdict, check.message) == (Verdict.OK, want)


BAD_INPUTS = {
    "a file that is not there": (Input(path="/a", url="s3://b/no"), "does not exist"),
    "a directory that is not there": (
        Input(path="/a", url="s3://b/no", type=FileType.DIRECTORY),
        "does not exist",
    ),
    "a file that is said to be a directory": (
        Input(path="/a", url="s3://b/a", type=FileType.DIRECTORY),
        "is a file; give the input type FILE",
    ),
    "a url that cannot be read": (
        Input(path="/a", url="gopher://x"),
        'scheme "gopher" is not supported',
    ),
}


@pytest.mark.parametrize(("entry", "want"), BAD_INPUTS.values(), ids=BAD_INPUTS)
def test_an_input_that_cannot_be_read(entry: Input, want: str) -> None:
    [check] = found(Task(inputs=(entry,)), {"s3": MemoryStorage(dict(FILES))})

    assert check.verdict is Verdict.FAILED
    assert want in check.message
    assert (check.field, check.path) == ("inputs[0]", "/a")


def test_reference_data_is_left_to_the_server_that_mounts_it() -> None:
    entry = Input(path="/g", url="ref://grch38/genome.fa")

    [check] = found(Task(inputs=(entry,)), {})

    assert check.verdict is Verdict.UNKNOWN


def test_an_error_that_passes_is_tried_again() -> None:
    storage = MemoryStorage(dict(FILES))
    storage.faults["s3://b/a"] = [StorageError("busy", transient=True)]

    [check] = found(Task(inputs=(Input(path="/a", url="s3://b/a"),)), {"s3": storage})

    assert check.verdict is Verdict.OK


def test_credentials_of_urls_are_not_shown() -> None:
    url = "ftp://ada:s3cr3t@host/a"

    [check] = found(Task(inputs=(Input(path="/a", url=url),)), {"ftp": MemoryStorage()})

    assert check.url == "ftp://host/a"
    assert "s3cr3t" not in check.message


def test_an_output_is_unknown_unless_a_probe_may_be_written() -> None:
    storage = MemoryStorage(dict(FILES))
    task = Task(outputs=(Output(path="/o", url="s3://b/a"),))

    [unknown] = found(task, {"s3": storage})
    [probed] = found(task, {"s3": storage}, probe=True)

    assert unknown.verdict is Verdict.UNKNOWN
    assert probed.verdict is Verdict.OK
    assert storage.files == FILES
    assert [url for call, url in storage.calls if call == "write"] == [
        f"s3://b/{PROBE}"
    ]


PROBES = {
    "of a directory": Output(path="/o", url="s3://b/d", type=FileType.DIRECTORY),
    "of a pattern": Output(path="/o/*", url="s3://b/d"),
}


@pytest.mark.parametrize("output", PROBES.values(), ids=PROBES)
def test_a_probe_lies_where_the_files_will(output: Output) -> None:
    storage = MemoryStorage()

    [check] = found(Task(outputs=(output,)), {"s3": storage}, probe=True)

    assert check.verdict is Verdict.OK
    assert ("write", f"s3://b/d/{PROBE}") in storage.calls
    assert storage.files == {}


class AskedStorage(MemoryStorage):
    """Can be asked whether it would write."""

    def check_write(self, location: Location) -> WriteFound:
        return WriteFound(Verdict.OK, f"would write {location}")


def test_a_storage_is_asked_about_the_very_name_unless_a_probe_is_wished() -> None:
    storage = AskedStorage()
    outputs = (
        Output(path="/o", url="s3://b/o"),
        Output(path="/d", url="s3://b/d", type=FileType.DIRECTORY),
    )

    asked = found(Task(outputs=outputs), {"s3": storage})
    assert [each.message for each in asked] == [
        "would write s3://b/o",
        f"would write s3://b/d/{PROBE}",
    ]
    assert storage.calls == []

    [probed, _] = found(Task(outputs=outputs), {"s3": storage}, probe=True)
    assert probed.message == "an empty file was written beside it, and removed"


class KeepingStorage(MemoryStorage):
    """Does not let go of a file."""

    def remove(self, _location: Location) -> None:
        raise StorageError("access denied")


def test_a_storage_that_takes_no_file_is_told() -> None:
    storage = MemoryStorage()
    storage.faults[f"s3://b/{PROBE}"] = [StorageError("access denied")]
    task = Task(outputs=(Output(path="/o", url="s3://b/o"),))

    [check] = found(task, {"s3": storage}, probe=True)

    assert (check.verdict, check.message) == (Verdict.FAILED, "access denied")


def test_a_probe_that_stays_is_named() -> None:
    task = Task(outputs=(Output(path="/o", url="s3://b/o"),))

    [check] = found(task, {"s3": KeepingStorage()}, probe=True)

    assert check.verdict is Verdict.FAILED
    assert f"s3://b/{PROBE} stays: access denied" in check.message


def test_a_folder_that_can_be_written_is_told_without_writing(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    shared = open_shared("file:///shared", str(root), others=LocalStorage([str(root)]))
    outputs = tuple(
        Output(path="/o", url=url)
        for url in (f"{root}/new/folders/o", "file:///shared/a/o", "/elsewhere/o")
    )

    verdicts = [
        check.verdict for check in found(Task(outputs=outputs), {"file": shared})
    ]

    assert verdicts == [Verdict.OK, Verdict.OK, Verdict.FAILED]
    assert list(root.iterdir()) == []


def test_a_file_above_an_output_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    outputs = (
        Output(path="/o", url=f"{tmp_path}/file/o"),
        Output(path="/o", url=f"{tmp_path}/folder"),
        Output(path="/o", url=f"{tmp_path}/file"),
        Output(path="/o", url=f"{tmp_path}/file/"),
    )
    storage = LocalStorage([str(tmp_path)])

    checks = found(Task(outputs=outputs), {"file": storage})

    assert [check.message for check in checks] == [
        "is not a directory, or something above it is not",
        "is a directory; end the url in the name of a file",
        "a file can be written in its folder; none was",
        "ends in a slash; a file needs a name",
    ]
