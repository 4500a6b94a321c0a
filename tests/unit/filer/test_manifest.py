"""What a filer records, and what of it another one believes."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulations.transfer import Bench
from tesk_filer.adapters.file_system_sync import sync_file_system
from tesk_filer.adapters.manifest_file import ManifestFile, open_manifest
from tesk_filer.adapters.manifest_records import Lines
from tesk_filer.adapters.volume import FolderVolume
from tesk_filer.ports import Part, Stat, StorageError
from tesk_filer.ports.manifest import Moved
from tesk_filer.usecases.transfer import ExitCode
from tesk_model.paths import OWN_FOLDER, path_problem
from tesk_model.task import FileType, Input, Output

MOVED = Moved(size=3, stamp="a-3-9", etag='"x"', digests={"md5": "0a"})
Open = Callable[..., ManifestFile]


def file_of(tmp_path: Path) -> Path:
    return tmp_path / "volume/.tesk/manifest"


def test_what_one_filer_recorded_the_next_one_knows(opened: Open) -> None:
    first = opened()
    first.add("/a", "s3://b/a", MOVED)
    first.begin("/l", "s3://b/l", Stat(size=100, etag='"e"', checksums={"md5": "0a"}))
    first.add_part("/l", "s3://b/l", Part(0, 40), "1f")
    first.add_part("/l", "s3://b/l", Part(80, 100), "1f")

    second = opened()

    assert second.moved("/a", "s3://b/a") == MOVED
    assert second.moved("/a", "s3://b/other") is None
    assert second.moved("/other", "s3://b/a") is None
    begun = second.begun("/l", "s3://b/l")
    assert begun is not None
    assert (begun.size, begun.etag, begun.stamp) == (100, '"e"', "1f")
    assert begun.checksums == {"md5": "0a"}
    assert list(begun.parts) == [Part(0, 40), Part(80, 100)]


def test_parts_of_another_content_are_forgotten(opened: Open) -> None:
    first = opened()
    for etag in ('"old"', '"new"'):
        first.begin("/l", "s3://b/l", Stat(size=100, etag=etag))
        first.add_part("/l", "s3://b/l", Part(0, 40), etag)
    first.begin("/m", "s3://b/m", Stat(size=100, etag="x"))
    first.add_part("/m", "s3://b/m", Part(0, 40), "1f")
    first.begin("/m", "s3://b/m", Stat(size=100, etag="y"))

    second = opened()

    begun = second.begun("/l", "s3://b/l")
    assert begun is not None
    assert (begun.etag, begun.stamp, list(begun.parts)) == (
        '"new"',
        '"new"',
        [Part(0, 40)],
    )
    assert second.begun("/m", "s3://b/m") is None


STRANGERS = {
    "of another attempt": {"transfer": "a2 inputs"},
    "of another direction": {"transfer": "a1 outputs"},
    "with another token": {"token": "other"},
}


@pytest.mark.parametrize("stranger", STRANGERS.values(), ids=STRANGERS)
def test_nothing_is_believed_of_a_filer(opened: Open, stranger: dict[str, str]) -> None:
    opened(**stranger).add("/a", "s3://b/a", MOVED)

    assert opened().moved("/a", "s3://b/a") is None


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(0, 2000), noise=st.binary(max_size=200))
def test_a_line_that_is_torn_or_forged_is_ignored_and_the_others_are_not(
    tmp_path_factory: pytest.TempPathFactory, cut: int, noise: bytes
) -> None:
    folder = tmp_path_factory.mktemp("volume") / ".tesk"
    lines = Lines("token", "a1 inputs")
    first = open_manifest(folder, "manifest", lines, "boot")
    for number in range(5):
        first.add(f"/{number}", "s3://b/a", MOVED)
    first.close()
    content = (folder / "manifest").read_bytes()[:cut]
    (folder / "manifest").write_bytes(content + noise)

    second = open_manifest(folder, "manifest", lines, "boot")
    second.add("/new", "s3://b/a", MOVED)
    third = open_manifest(folder, "manifest", lines, "boot")

    whole = content.count(b'"file"') - (not content.endswith(b"\n"))
    known = [bool(third.moved(f"/{number}", "s3://b/a")) for number in range(5)]
    assert known[: max(whole, 0)] == [True] * max(whole, 0)
    assert third.moved("/new", "s3://b/a") == MOVED
    second.close()
    third.close()


def test_after_a_lost_machine_only_what_was_on_the_disk_counts(opened: Open) -> None:
    first = opened()
    first.add("/a", "u", MOVED)
    first.record_synced(sync_file_system)
    first.add("/b", "u", MOVED)
    assert opened().moved("/b", "u") == MOVED

    elsewhere = opened(boot="another")

    assert elsewhere.moved("/a", "u") == MOVED
    assert elsewhere.moved("/b", "u") is None


def test_what_is_written_while_the_disk_is_synced_does_not_count_as_synced(
    opened: Open,
) -> None:
    first = opened()
    first.add("/a", "u", MOVED)

    def write_meanwhile(_descriptor: int) -> bool:
        first.add("/b", "u", MOVED)
        return True

    first.record_synced(write_meanwhile)

    elsewhere = opened(boot="another")
    assert elsewhere.moved("/a", "u") == MOVED
    assert elsewhere.moved("/b", "u") is None


def test_a_manifest_is_for_filers_alone(opened: Open, tmp_path: Path) -> None:
    opened().add("/a", "https://h/a?signature=s3cr3t", MOVED)

    assert stat.S_IMODE(file_of(tmp_path).stat().st_mode) == 0o600
    assert stat.S_IMODE(file_of(tmp_path).parent.stat().st_mode) == 0o700
    assert "s3cr3t" not in file_of(tmp_path).read_text()


def plant_pipe(folder: Path) -> None:
    folder.mkdir()
    os.mkfifo(folder / "manifest")


PLANTED = {
    "a link instead of the folder": lambda folder: folder.symlink_to("/tmp"),
    "a link instead of the file": lambda folder: (
        folder.mkdir(),
        (folder / "manifest").symlink_to("/etc/hostname"),
    ),
    "a pipe": plant_pipe,
    "a file instead of the folder": lambda folder: folder.write_text("x"),
}


@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED)
def test_what_an_executor_put_there_is_not_used(
    opened: Open, tmp_path: Path, plant: Callable[[Path], object]
) -> None:
    plant(tmp_path / "volume/.tesk")

    with pytest.raises(OSError, match=r"."):
        opened()


def test_no_path_of_a_task_reaches_the_manifest(opened: Open, tmp_path: Path) -> None:
    opened().add("/a", "u", MOVED)
    bench = Bench(tmp_path / "volume")
    (bench.folder / "file").write_text("x")
    (bench.folder / "link").symlink_to(".tesk")

    bench.take(
        Output(path="/.tesk", url="s3://b/x", type=FileType.DIRECTORY),
        Output(path="/.tesk/manifest", url="s3://b/y"),
        Output(path="/*", url="s3://b/all", path_prefix="/"),
        Output(path="/.t*/*", url="s3://b/hidden", path_prefix="/"),
    )

    assert "/.tesk does not exist" in bench.transfers.results[-1].warnings[0]
    assert "s3://b/all/file" in bench.storage.files
    assert not [url for url in bench.storage.files if "hidden" in url or "y" in url]
    assert bench.bring(Input(path="/.tesk/manifest", content="x")) is ExitCode.FAILED
    assert "belongs to TESK" in str(path_problem("/.tesk/a"))
    assert path_problem("/.teskfile") is None
    with pytest.raises(StorageError):
        FolderVolume(bench.folder).make_directory(OWN_FOLDER)
