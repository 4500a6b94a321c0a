"""A filer tells what the files were that it moved, if it is asked."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from simulations.transfer import Bench
from tesk_filer.adapters.manifest_file import open_manifest
from tesk_filer.adapters.manifest_records import Lines
from tesk_filer.ports import StorageError
from tesk_filer.ports.manifest import Manifest
from tesk_filer.usecases.transfer import ExitCode
from tesk_model.identities import FileIdentity
from tesk_model.task import FileType, Input, Output

FOLDER = Input(path="/d", url="s3://b/d", type=FileType.DIRECTORY)
ONE = Input(path="/one", url="s3://b/one")
RESULT = Output(path="/out", url="s3://b/out")


@pytest.fixture
def asked(bench: Bench) -> Bench:
    bench.transfers.wanted = 10_000
    bench.storage.files = {
        "s3://b/d/x": b"xx",
        "s3://b/d/y/z": b"zzz",
        "s3://b/one": b"",
    }
    return bench


@pytest.fixture
def manifest(tmp_path: Path) -> Iterator[Callable[[], Manifest]]:
    """Open the manifest as the next filer would."""
    with closing(
        open_manifest(tmp_path, "manifest", Lines("token", "t"), "boot")
    ) as first:
        del first
        yield lambda: open_manifest(tmp_path, "manifest", Lines("token", "t"), "boot")


def identity(bench: Bench, url: str, path: str, direction: str) -> FileIdentity:
    content = bench.storage.files[url]
    return FileIdentity(
        direction=direction,
        url=url,
        path=path,
        size_bytes=len(content),
        identity=f"etag {hash(content)}",
    )


def told(bench: Bench) -> list[FileIdentity]:
    return sorted(bench.transfers.identities, key=lambda file: file.path)


def inputs_of(bench: Bench) -> list[FileIdentity]:
    return [
        identity(bench, "s3://b/d/x", "/d/x", "inputs"),
        identity(bench, "s3://b/d/y/z", "/d/y/z", "inputs"),
        identity(bench, "s3://b/one", "/one", "inputs"),
    ]


def test_each_input_is_told_as_it_was_read(asked: Bench) -> None:
    assert asked.bring(FOLDER, ONE, Input(path="/c", content="c")) is ExitCode.OK

    assert told(asked) == inputs_of(asked)
    assert asked.transfers.results[-1].identified


def test_an_input_that_an_earlier_filer_brought_is_told_again(
    asked: Bench, manifest: Callable[[], Manifest]
) -> None:
    asked.manifest = manifest()
    asked.bring(FOLDER, ONE)
    asked.transfers.identities.clear()
    asked.manifest = manifest()

    asked.bring(FOLDER, ONE)

    assert asked.transfers.results[-1].resumed_files == 3
    assert told(asked) == inputs_of(asked)


def test_each_output_is_told_as_its_storage_took_it(
    asked: Bench, manifest: Callable[[], Manifest]
) -> None:
    (asked.folder / "out").write_text("result")
    asked.manifest = manifest()
    asked.take(RESULT)
    want = [identity(asked, "s3://b/out", "/out", "outputs")]
    assert told(asked) == want
    asked.transfers.identities.clear()
    asked.manifest = manifest()

    asked.take(RESULT)  # an earlier filer has sent it

    assert told(asked) == want
    assert asked.transfers.results[-1].identified


def test_what_has_no_identity_is_told_so(asked: Bench) -> None:
    asked.storage.files["ftp://h/x"] = b"x"

    asked.bring(Input(path="/x", url="ftp://u:pw@h/x"))

    want = FileIdentity(
        direction="inputs", url="ftp://h/x", path="/x", size_bytes=1, identity=""
    )
    assert told(asked) == [want]


def test_a_name_that_two_files_could_have_is_no_identity(asked: Bench) -> None:
    asked.storage.files = {"s3://b/d/\udcff": b"x"}

    asked.bring(FOLDER)

    assert [(file.path, file.identity) for file in told(asked)] == [("/d/?", "")]


def test_nobody_is_told_who_did_not_ask(asked: Bench) -> None:
    asked.transfers.wanted = None

    asked.bring(FOLDER)

    assert told(asked) == []
    assert not asked.transfers.results[-1].identified


def test_many_are_told_with_few_calls_and_no_more_than_are_wanted(
    asked: Bench,
) -> None:
    asked.storage.files = {f"s3://b/d/{number}": b"" for number in range(3500)}
    asked.transfers.wanted = 2000

    assert asked.bring(FOLDER) is ExitCode.OK

    assert len(told(asked)) == 2000
    assert not asked.transfers.results[-1].identified


def test_a_transfer_that_failed_has_not_told_all(asked: Bench) -> None:
    asked.storage.faults = {"s3://b/d/x": [StorageError("access denied")]}

    assert asked.bring(FOLDER) is ExitCode.FAILED

    assert not asked.transfers.results[-1].identified


def test_a_transfer_without_files_has_told_all(asked: Bench) -> None:
    asked.bring(Input(path="/c", content="c"))

    assert told(asked) == []
    assert asked.transfers.results[-1].identified
