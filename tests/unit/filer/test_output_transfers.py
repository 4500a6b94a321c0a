"""Outputs are taken, recorded, and refused where two would be one."""

import pytest

from simulations.transfer import Bench
from tesk_filer.ports import StorageError
from tesk_filer.usecases.transfer import ExitCode
from tesk_model.task import FileType, Output, OutputFileLog


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
