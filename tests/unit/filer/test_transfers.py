"""Whole transfers between memory and a folder: order, retries, results."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.filer_storage import MemoryStorage
from files.deep_trees import make_deep
from simulations.transfer import Bench
from tesk_filer.adapters.storage.local import LocalStorage
from tesk_filer.domain.expansion import Limits
from tesk_filer.ports import Cursor, Entry, Page, Storage, StorageError
from tesk_filer.usecases.transfer import ExitCode
from tesk_model.errors import (
    ConflictError,
    PermissionDeniedError,
    TeskError,
    UnavailableError,
)
from tesk_model.locations import Location
from tesk_model.task import FileType, Input, Output, OutputFileLog
from tesk_runtime.removal import remove_tree


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "volume").mkdir()
    return Bench(tmp_path / "volume")


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

    assert bench.texts() == {"d/x": "2x", "d/y": "1y", "d/z": "f"}


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


def test_a_listing_cannot_name_files_elsewhere(bench: Bench) -> None:
    bench.storage.files = {"s3://b/d/../../etc/cron": b"evil"}

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
    assert len(storage.calls) == pages


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


def test_outputs_are_taken_and_recorded(bench: Bench) -> None:
    (bench.folder / "o/d").mkdir(parents=True)
    (bench.folder / "o/a.txt").write_text("A")
    (bench.folder / "o/d/b.txt").write_text("BB")

    exit_code = bench.take(
        Output(path="/o/*.txt", url="ftp://u:pw@h/x", path_prefix="/o"),
        Output(path="/o/d", url="s3://b/d", type=FileType.DIRECTORY),
    )

    assert exit_code is ExitCode.OK
    assert bench.storage.files == {
        "ftp://h/x/a.txt": b"A",
        "s3://b/d/b.txt": b"BB",
    }
    assert sorted(bench.transfers.files, key=lambda file: file.path) == [
        OutputFileLog(url="ftp://h/x/a.txt", path="/o/a.txt", size_bytes=1),
        OutputFileLog(url="s3://b/d/b.txt", path="/o/d/b.txt", size_bytes=2),
    ]


def test_many_outputs_are_recorded_with_few_calls(bench: Bench) -> None:
    for number in range(1500):
        (bench.folder / f"{number}.txt").touch()

    bench.take(Output(path="/*.txt", url="s3://b", path_prefix="/"))

    assert sorted(bench.transfers.batches) == [500, 1000]


def test_a_missing_output_warns(bench: Bench) -> None:
    assert bench.take(Output(path="/no", url="s3://b/no")) is ExitCode.OK
    assert bench.transfers.results[-1].warnings == ("outputs[0]: /no does not exist",)


def test_a_missing_output_fails_where_that_is_set(bench: Bench) -> None:
    bench.missing_is_error = True

    assert bench.take(Output(path="/no", url="s3://b/no")) is ExitCode.FAILED
    assert bench.error == "outputs[0] (/no): s3://b/no: /no does not exist"


def two_files(bench: Bench) -> None:
    (bench.folder / "o").mkdir()
    (bench.folder / "o/a").write_text("long first file")
    (bench.folder / "o/b").write_text("b")


COLLISIONS = {
    "two files": (
        Output(path="/o/a", url="s3://b/same"),
        Output(path="/o/b", url="s3://b/same"),
    ),
    "a pattern and a file": (
        Output(path="/o/[a]", url="s3://b/x", path_prefix="/o"),
        Output(path="/o/b", url="s3://b/x/a"),
    ),
    "a directory and a file": (
        Output(path="/o", url="s3://b/x", type=FileType.DIRECTORY),
        Output(path="/o/b", url="s3://b/x/a"),
    ),
    "one path, written in two ways": (
        Output(path="/o/a", url="file:///x/same"),
        Output(path="/o/b", url="/x//y/../same"),
    ),
}


@pytest.mark.parametrize("outputs", COLLISIONS.values(), ids=COLLISIONS)
def test_the_second_of_two_files_for_one_url_is_refused(
    bench: Bench, outputs: tuple[Output, Output]
) -> None:
    two_files(bench)

    assert bench.take(*outputs) is ExitCode.FAILED
    assert "outputs[0] brings another file to that url" in bench.error
    urls = [file.url for file in bench.transfers.files]
    assert len(urls) == len(set(urls)) == len(bench.storage.files)
    assert b"long first file" in bench.storage.files.values()


def test_a_file_that_two_outputs_name_is_taken_once(bench: Bench) -> None:
    two_files(bench)
    (bench.folder / "o/link").symlink_to("a")

    exit_code = bench.take(
        Output(path="/o/a", url="s3://b/x/a"),
        Output(path="/o/a", url="s3://b/x/a"),
        Output(path="/o/link", url="s3://b/x/a"),
        Output(path="/o/[a]", url="s3://b/x", path_prefix="/o"),
    )

    assert exit_code is ExitCode.OK
    assert len(bench.transfers.files) == 1


def test_links_that_multiply_are_told_before_there_are_many_copies(
    bench: Bench,
) -> None:
    for level in range(28):
        folder = bench.folder / "o" / f"d{level}"
        folder.mkdir(parents=True)
        for name in ("a", "b"):
            (folder / name).symlink_to(f"../d{level + 1}")
    (bench.folder / "o/d28").mkdir()
    (bench.folder / "o/d28/file").write_text("x")

    exit_code = bench.take(
        Output(path="/o/d0", url="s3://b/x", type=FileType.DIRECTORY)
    )

    assert exit_code is ExitCode.FAILED
    assert "lead to one directory by more than 1000 paths" in bench.error
    assert len(bench.storage.files) <= 1000


def test_a_pattern_over_links_to_itself_ends(bench: Bench) -> None:
    (bench.folder / "o").mkdir()
    (bench.folder / "o/file").write_text("x")
    for name in ("a", "b"):
        (bench.folder / "o" / name).symlink_to(".")

    exit_code = bench.take(
        Output(path="/o" + "/*" * 90, url="s3://b/deep", path_prefix="/o"),
        Output(path="/o/*", url="s3://b/x", path_prefix="/o"),
    )

    assert exit_code is ExitCode.OK
    assert list(bench.storage.files) == ["s3://b/x/file"]
    assert bench.transfers.results[-1].warnings == (
        f"outputs[0]: nothing matches /o{'/*' * 90}",
        "outputs[1]: /o/a is a symlink cycle, not followed",
        "outputs[1]: /o/b is a symlink cycle, not followed",
    )


def test_a_tree_that_is_too_deep_is_refused_and_the_rest_is_taken(
    bench: Bench,
) -> None:
    (bench.folder / "o").mkdir()
    make_deep(bench.folder / "o", 3000)
    (bench.folder / "a").write_text("a")

    exit_code = bench.take(
        Output(path="/o", url="s3://b/o", type=FileType.DIRECTORY),
        Output(path="/a", url="s3://b/a"),
    )

    assert exit_code is ExitCode.FAILED
    assert "is nested deeper than 256 directories" in bench.error
    assert list(bench.storage.files) == ["s3://b/a"]
    remove_tree(bench.folder / "o")


def test_more_files_than_may_be_taken_are_told(bench: Bench) -> None:
    bench.limits = Limits(files=10)
    for number in range(20):
        (bench.folder / f"{number}.txt").touch()
        bench.storage.files[f"s3://b/in/{number}"] = b""

    assert bench.take(Output(path="/*.txt", url="s3://b", path_prefix="/")) is (
        ExitCode.FAILED
    )
    assert "is more than 10 files and directories" in bench.error
    assert bench.bring(Input(path="/in", url="s3://b/in", type=FileType.DIRECTORY)) is (
        ExitCode.FAILED
    )
    assert "is more than 10 files and directories" in bench.error


def test_an_input_that_is_too_deep_is_told(bench: Bench) -> None:
    bench.storage.files["s3://b/in" + "/d" * 300 + "/a"] = b""

    bench.bring(Input(path="/in", url="s3://b/in", type=FileType.DIRECTORY))

    assert "is nested deeper than 256 directories" in bench.error


def test_a_file_that_is_too_large_is_told(bench: Bench) -> None:
    bench.limits = Limits(size=5)
    with (bench.folder / "a").open("wb") as file:
        file.truncate(6)
    bench.storage.files["s3://b/in"] = b"123456"

    assert bench.take(Output(path="/a", url="s3://b/a")) is ExitCode.FAILED
    assert "has 6 bytes or more; one file may have 5" in bench.error
    assert bench.bring(Input(path="/b", url="s3://b/in")) is ExitCode.FAILED
    assert "has 6 bytes or more; one file may have 5" in bench.error
    assert bench.texts() == {"a": "\0" * 6}


SLASHES = ["s3://b/a/", "file:///a/", "/a/", "ftp://h/a/", "http://h/a/?x=1"]


@pytest.mark.parametrize("url", SLASHES)
def test_a_file_does_not_go_to_a_url_that_ends_in_a_slash(
    bench: Bench, url: str
) -> None:
    (bench.folder / "a").write_text("a")

    assert bench.take(Output(path="/a", url=url)) is ExitCode.FAILED
    assert "ends in a slash; a file needs a name" in bench.error
    assert bench.storage.files == {}


def test_a_failed_output_does_not_stop_the_others(bench: Bench) -> None:
    for name in ("a", "b", "c"):
        (bench.folder / name).write_text(name)
    bench.storage.faults = {"s3://b/a": [StorageError("access denied (403)")]}

    exit_code = bench.take(
        *(Output(path=f"/{name}", url=f"s3://b/{name}") for name in ("a", "b", "c"))
    )

    assert exit_code is ExitCode.FAILED
    assert bench.error == "outputs[0] (/a): s3://b/a: access denied (403)"
    assert sorted(bench.storage.files) == ["s3://b/b", "s3://b/c"]
    assert len(bench.transfers.files) == 2


def test_links_to_the_machine_are_not_followed(bench: Bench) -> None:
    (bench.folder / "passwd").symlink_to("/etc/passwd")
    (bench.folder / "environ").symlink_to("/proc/self/environ")
    (bench.folder / "up").symlink_to("../" * 30 + "etc/passwd")
    (bench.folder / "folder").symlink_to("/etc")

    exit_code = bench.take(
        Output(path="/passwd", url="s3://b/1"),
        Output(path="/environ", url="s3://b/2"),
        Output(path="/up", url="s3://b/3"),
        Output(path="/folder/passwd", url="s3://b/4"),
        Output(path="/*", url="s3://b/5", path_prefix="/"),
    )

    assert exit_code is ExitCode.OK
    assert bench.storage.files == {}
    assert len(bench.transfers.results[-1].warnings) == 8


REFUSALS = {
    "its token is of another key": (
        PermissionDeniedError("no"),
        ExitCode.TEMPORARY_FAILURE,
    ),
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
