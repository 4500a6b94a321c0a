"""The digests of a transfer's files, as they are put into the task's metadata."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from simulations.transfer import Bench
from tesk_filer.adapters.manifest_file import open_manifest
from tesk_filer.adapters.manifest_records import Lines
from tesk_filer.domain.digest_list import DigestList
from tesk_filer.usecases.transfer import ExitCode
from tesk_model.task import FileType, Input, Output


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "volume").mkdir()
    return Bench(tmp_path / "volume", digests=DigestList())


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("parts_from", [1, 2**40], ids=["in parts", "as a stream"])
def test_every_input_has_its_digest(bench: Bench, parts_from: int) -> None:
    bench.parts_from = parts_from
    bench.storage.files = {"s3://b/a": b"A", "s3://b/d/x": b"X"}
    bench.storage.checksums = {"s3://b/a": {"md5": hashlib.md5(b"A").hexdigest()}}  # noqa: S324 - of storages

    bench.bring(
        Input(path="/a", url="s3://b/a"),
        Input(path="/d", url="s3://b/d", type=FileType.DIRECTORY),
        Input(path="/c", content="C"),
    )

    assert bench.transfers.results[-1].sha256 == "".join(
        sorted(
            f"{sha256(content)}  {path}\n"
            for path, content in {"/a": b"A", "/d/x": b"X", "/c": b"C"}.items()
        )
    )


def test_every_output_has_its_digest_and_sha256sum_reads_the_list(
    bench: Bench,
) -> None:
    (bench.folder / "o").mkdir()
    for name in ("a b", "ü"):
        (bench.folder / "o" / name).write_text(name)

    bench.take(Output(path="/o", url="s3://b/o", type=FileType.DIRECTORY))

    written = bench.transfers.results[-1].sha256.replace("  /", f"  {bench.folder}/")
    checked = subprocess.run(
        ["sha256sum", "-c"],
        input=written,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert written.count("\n") == 2


def test_files_that_an_earlier_filer_moved_are_in_the_list(bench: Bench) -> None:
    bench.storage.files = {"s3://b/a": b"A"}
    (bench.folder / "o").write_text("O")
    lines = Lines("token", "a1")
    wanted: list[str] = []
    for _ in range(2):
        bench.manifest = open_manifest(bench.folder / ".tesk", "m", lines, "boot")
        bench.digests = DigestList()
        assert bench.bring(Input(path="/a", url="s3://b/a")) is ExitCode.OK
        assert bench.take(Output(path="/o", url="s3://b/o")) is ExitCode.OK
        wanted.append(bench.transfers.results[-1].sha256)

    assert wanted[0] == wanted[1]
    assert wanted[0].count("\n") == 2
    assert bench.storage.calls == [("open", "s3://b/a"), ("write", "s3://b/o")]


def test_a_long_list_is_replaced_by_its_digest() -> None:
    digests = DigestList()
    for number in range(100):
        digests.add(f"/in/{number}", sha256(b"x"))

    whole = "".join(sorted(f"{sha256(b'x')}  /in/{number}\n" for number in range(100)))
    assert digests.text() == (
        f"{sha256(whole.encode())} is the sha256 of the list of 100 files"
    )


def test_no_digests_are_told_unless_they_are_wanted(bench: Bench) -> None:
    bench.digests = None

    bench.bring(Input(path="/c", content="C"))

    assert bench.transfers.results[-1].sha256 == ""
