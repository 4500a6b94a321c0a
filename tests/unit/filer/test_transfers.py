"""Whole transfers between memory and a folder: order, retries, results."""

import os
import socket
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.filer_storage import MemoryStorage
from simulations.transfer import Bench
from tesk_filer.adapters.manifest_file import open_manifest
from tesk_filer.adapters.manifest_records import Lines
from tesk_filer.adapters.storage.local import LocalStorage
from tesk_filer.domain.expansion import Limits
from tesk_filer.ports import Cursor, Entry, Page, Storage, StorageError
from tesk_filer.ports.transfers import TransferResult
from tesk_filer.usecases.transfer import ExitCode
from tesk_model.errors import (
    ConflictError,
    PermissionDeniedError,
    TeskError,
    UnavailableError,
)
from tesk_model.locations import Location
from tesk_model.task import FileType, Input, Output


class LocalStorages(LocalStorage):
    """The storage of every location, below one folder."""

    def __init__(self, root: str) -> None:
        super().__init__([root])

    def of(self, _location: Location) -> Storage:
        return self


def passing() -> StorageError:
    return StorageError("busy", transient=True)


def test_inputs_arrive(bench: Bench) -> None:
    bench.storage.files = {"s3://b/a": b"A", "s3://b/d/x/y": b"Y", "s3://b/d/z": b"Z"}

    exit_code = bench.bring(
        Input(path="/in/a", url="s3://b/a"),
        Input(path="/in/d", url="s3://b/d", type=FileType.DIRECTORY),
        Input(path="/in/c", content="héllo"),
    )

    assert exit_code is ExitCode.OK
    assert bench.texts() == {
        "in/a": "A",
        "in/c": "héllo",
        "in/d/x/y": "Y",
        "in/d/z": "Z",
    }
    [result] = bench.transfers.results
    assert (result.files, result.bytes, result.error) == (4, 9, "")
    assert {(each.scheme, each.files, each.bytes) for each in result.moved} == {
        ("s3", 3, 3),
        ("content", 1, 6),
    }
    assert sizes(result) == [(0, 1, 1), (1, 2, 2), (2, 1, 6)]


def sizes(result: TransferResult) -> list[tuple[int, int, int]]:
    return [(each.index, each.files, each.size_bytes) for each in result.input_sizes]


def test_the_size_of_each_input_is_told_also_by_a_filer_that_goes_on(
    bench: Bench, tmp_path: Path
) -> None:
    bench.storage.files = {"s3://b/a": b"A", "s3://b/d/x": b"XX"}
    inputs = (
        Input(path="/d", url="s3://b/d", type=FileType.DIRECTORY),
        Input(path="/ref", url="ref://grch38"),
        Input(path="/a", url="s3://b/a"),
    )
    (tmp_path / "own").mkdir()
    for tries in range(2):
        lines = Lines("token", "t")
        with closing(open_manifest(tmp_path / "own", "m", lines, "boot")) as manifest:
            bench.manifest = manifest
            bench.bring(*inputs)
        assert sizes(bench.transfers.results[tries]) == [(0, 1, 2), (2, 1, 1)]
    assert bench.transfers.results[1].resumed_files == 2


def test_an_empty_directory_has_no_files_and_no_bytes(
    bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    bench.storage = LocalStorages(str(tmp_path))

    bench.bring(Input(path="/d", url=f"{tmp_path}/empty", type=FileType.DIRECTORY))

    assert sizes(bench.transfers.results[0]) == [(0, 0, 0)]


def test_no_sizes_are_told_of_inputs_that_did_not_all_arrive(bench: Bench) -> None:
    bench.storage.files = {"s3://b/a": b"A"}

    bench.bring(Input(path="/a", url="s3://b/a"), Input(path="/no", url="s3://b/no"))

    assert sizes(bench.transfers.results[0]) == []


def test_a_directory_that_cannot_be_listed_is_a_failure_of_its_scheme(
    bench: Bench,
) -> None:
    exit_code = bench.bring(Input(path="/d", url="s3://b/d", type=FileType.DIRECTORY))

    [result] = bench.transfers.results
    assert exit_code is ExitCode.FAILED
    assert [(each.scheme, each.files, each.failed) for each in result.moved] == [
        ("s3", 0, 1)
    ]


def test_the_last_of_overlapping_inputs_wins(bench: Bench) -> None:
    bench.storage.files = {
        "s3://b/1/x": b"1x",
        "s3://b/1/y": b"1y",
        "s3://b/1/z": b"1z",
        "s3://b/2/x": b"2x",
        "s3://b/f": b"f",
    }

    bench.bring(
        Input(path="/d/z", url="s3://b/f"),
        Input(path="/d", url="s3://b/1", type=FileType.DIRECTORY),
        Input(path="/d", url="s3://b/2", type=FileType.DIRECTORY),
    )

    assert bench.texts() == {"d/x": "2x", "d/y": "1y", "d/z": "1z"}


def test_a_file_over_a_directory_wins_if_it_is_listed_later(bench: Bench) -> None:
    bench.storage.files = {"s3://b/1/x": b"1x", "s3://b/1/y": b"1y"}

    bench.bring(
        Input(path="/d", url="s3://b/1", type=FileType.DIRECTORY),
        Input(path="/d/x", content="x"),
    )

    assert bench.texts() == {"d/x": "x", "d/y": "1y"}


def test_directories_merge_at_every_depth_and_the_last_wins(
    bench: Bench, tmp_path: Path
) -> None:
    for number, names in (("1", ("d/e/x", "d/e/y", "z")), ("2", ("d/e/x", "d/n/m"))):
        for name in names:
            file = tmp_path / number / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(number + name)
    for empty in ("1/d/void", "2/d/e/none"):
        (tmp_path / empty).mkdir()
    local = Bench(bench.folder, storage=LocalStorages(str(tmp_path)))

    exit_code = local.bring(
        *(
            Input(
                path="/in", url=f"file://{tmp_path}/{number}", type=FileType.DIRECTORY
            )
            for number in ("1", "2")
        )
    )

    assert exit_code is ExitCode.OK
    assert local.texts() == {
        "in/d/e/x": "2d/e/x",
        "in/d/e/y": "1d/e/y",
        "in/d/n/m": "2d/n/m",
        "in/z": "1z",
    }
    assert (bench.folder / "in/d/void").is_dir()
    assert (bench.folder / "in/d/e/none").is_dir()


def test_pipes_and_sockets_are_left_out_with_a_warning(
    bench: Bench, tmp_path: Path
) -> None:
    for folder in (bench.folder / "o", tmp_path / "d"):
        folder.mkdir()
        (folder / "file").write_text("x")
        os.mkfifo(folder / "pipe")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(folder / "socket"))
    bench.take(Output(path="/o", url="s3://b/o", type=FileType.DIRECTORY))
    assert bench.storage.files == {"s3://b/o/file": b"x"}
    assert bench.transfers.results[-1].warnings == tuple(
        f"outputs[0]: /o/{name} is a special file (pipe, device or socket), "
        "not uploaded"
        for name in ("pipe", "socket")
    )

    local = Bench(bench.folder, storage=LocalStorages(str(tmp_path)))
    local.bring(Input(path="/in", url=f"{tmp_path}/d", type=FileType.DIRECTORY))

    assert sorted(path.name for path in (bench.folder / "in").iterdir()) == ["file"]
    assert [
        warning.endswith(f": {name} is not a regular file, left out")
        for name, warning in zip(
            ("pipe", "socket"), local.transfers.results[-1].warnings, strict=True
        )
    ] == [True, True]


def test_inputs_are_accessible_by_every_uid(bench: Bench) -> None:
    bench.bring(Input(path="/in/a", content="x"))

    assert (bench.folder / "in").stat().st_mode & 0o777 == 0o777
    assert (bench.folder / "in/a").stat().st_mode & 0o777 == 0o666


def test_transient_errors_are_retried(bench: Bench) -> None:
    bench.storage.files = {"s3://b/a": b"A", "s3://b/d/x": b"X"}
    bench.storage.faults = {"s3://b/a": [passing()], "s3://b/d": [passing()]}

    exit_code = bench.bring(
        Input(path="/a", url="s3://b/a"),
        Input(path="/d", url="s3://b/d", type=FileType.DIRECTORY),
    )

    assert exit_code is ExitCode.OK
    assert bench.texts() == {"a": "A", "d/x": "X"}


def test_a_truncated_download_is_never_taken_for_the_file(bench: Bench) -> None:
    bench.storage.files = {"s3://b/a": b"0123456789"}
    bench.storage.cuts = {"s3://b/a": [4, 0]}

    assert bench.bring(Input(path="/a", url="s3://b/a")) is ExitCode.OK
    assert bench.texts() == {"a": "0123456789"}
    [result] = bench.transfers.results
    assert result.bytes == sum(each.bytes for each in result.moved) == 10

    bench.storage.cuts = {"s3://b/a": [4, 4, 4]}

    assert bench.bring(Input(path="/b", url="s3://b/a")) is ExitCode.TEMPORARY_FAILURE
    assert bench.error == "inputs[0] (/b): s3://b/a: 4 of 10 bytes arrived"
    assert bench.texts() == {"a": "0123456789"}


def test_a_permanent_error_fails_at_once(bench: Bench) -> None:
    exit_code = bench.bring(Input(path="/data/a", url="ftp://u:pw@h/key"))

    assert exit_code is ExitCode.FAILED
    assert bench.error == "inputs[0] (/data/a): ftp://h/key: does not exist"
    assert not bench.transfers.results[-1].transient
    assert bench.storage.calls == [("open", "ftp://h/key")]


@pytest.mark.parametrize("name", ["../../etc/cron", "half a character \ud800"])
def test_a_listing_cannot_name_what_is_no_file_here(bench: Bench, name: str) -> None:
    bench.storage.files = {f"s3://b/d/{name}": b"evil"}

    exit_code = bench.bring(Input(path="/d", url="s3://b/d", type=FileType.DIRECTORY))

    assert exit_code is ExitCode.FAILED
    assert "cannot be the name of a file" in bench.error
    assert bench.texts() == {}


class OnePage(MemoryStorage):
    """Lists the same page for ever."""

    def list(self, location: Location, cursor: Cursor = ()) -> Page:
        del location, cursor
        return Page([Entry(name="x")], ("again", ()))


class Nothing(MemoryStorage):
    """Lists nothing, page after page."""

    def list(self, location: Location, cursor: Cursor = ()) -> Page:
        del location
        self.calls.append(("list", str(len(self.calls))))
        return Page([], (f"{cursor[0] if cursor else ''}x", ()))


class Notes(Nothing):
    """Lists what is left out, page after page."""

    def list(self, location: Location, cursor: Cursor = ()) -> Page:
        return replace(super().list(location, cursor), notes=["left out"] * 10)


@pytest.mark.parametrize(
    ("storage", "pages"), [(Nothing(), 51), (Notes(), 6)], ids=["nothing", "notes"]
)
def test_a_listing_of_nothing_has_an_end(
    bench: Bench, storage: MemoryStorage, pages: int
) -> None:
    bench.storage = storage
    bench.limits = Limits(files=50)

    bench.bring(Input(path="/d", url="s3://b/d", type=FileType.DIRECTORY))

    assert "is more than 50 files and directories" in bench.error
    # One more may have been asked for by then.
    assert pages <= len(storage.calls) <= pages + 1


class Twice(MemoryStorage):
    """Lists each name twice."""

    def list(self, location: Location, cursor: Cursor = ()) -> Page:
        page = super().list(location, cursor)
        return replace(page, entries=[*page.entries, *page.entries])


@pytest.mark.parametrize(
    ("storage", "text"),
    [(OnePage(), "same page again and again"), (Twice(), "holds 'x' 2 times")],
    ids=["one page for ever", "a name twice"],
)
def test_a_listing_must_name_each_file_once(
    bench: Bench, storage: MemoryStorage, text: str
) -> None:
    bench.storage = storage
    storage.files = {"s3://b/d/x": b"X"}

    exit_code = bench.bring(Input(path="/d", url="s3://b/d", type=FileType.DIRECTORY))

    assert exit_code is ExitCode.FAILED
    assert text in bench.error


def test_a_file_named_as_temporary_files_often_are_stays(bench: Bench) -> None:
    bench.storage.files = {"s3://b/d/.x.part": b"mine", "s3://b/d/x": b"X"}

    bench.bring(Input(path="/d", url="s3://b/d", type=FileType.DIRECTORY))

    assert bench.texts() == {"d/.x.part": "mine", "d/x": "X"}


def test_a_file_and_a_directory_with_one_path_are_told(bench: Bench) -> None:
    bench.storage.files = {"s3://b/1/x": b"", "s3://b/2/x/y": b""}

    bench.bring(
        Input(path="/d", url="s3://b/1", type=FileType.DIRECTORY),
        Input(path="/d", url="s3://b/2", type=FileType.DIRECTORY),
    )

    assert "a file and a directory would have the same path" in bench.error


REFUSALS = {
    "its token is of another key": (PermissionDeniedError("no"), ExitCode.FAILED),
    "the attempt is over": (ConflictError("over"), ExitCode.FAILED),
    "the scheduler stays away": (UnavailableError("away"), ExitCode.TEMPORARY_FAILURE),
}


@pytest.mark.parametrize(("error", "want"), REFUSALS.values(), ids=REFUSALS)
def test_a_transfer_without_a_scheduler_has_no_result(
    bench: Bench, error: TeskError, want: ExitCode
) -> None:
    (bench.folder / "a").write_text("a")
    bench.transfers.error = error

    assert bench.take(Output(path="/a", url="s3://b/a")) is want
    assert bench.transfers.results == []
    assert bench.log
