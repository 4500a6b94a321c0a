"""What a filer records, and what of it another one believes."""

import os
import stat
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import repeat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulations.transfer import Bench
from tesk_filer.adapters.file_system_sync import sync_file_system
from tesk_filer.adapters.manifest_file import ManifestFile, open_manifest
from tesk_filer.adapters.manifest_records import Lines
from tesk_filer.adapters.volume import FolderVolume
from tesk_filer.domain.parts import MIB
from tesk_filer.ports import Part, Stat, StorageError
from tesk_filer.ports.manifest import Moved
from tesk_filer.usecases.transfer import ExitCode
from tesk_model.paths import OWN_FOLDER, path_problem
from tesk_model.task import FileType, Input, Output

MOVED = Moved(size=3, stamp="a-3-9", etag='"x"', digests={"md5": "0a"})
Open = Callable[..., ManifestFile]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Open the manifest of a volume, as the next filer would."""
    volume = tmp_path / "volume"
    volume.mkdir()
    made: list[ManifestFile] = []

    def open_one(
        token: str = "token", transfer: str = "a1 inputs", boot: str = "boot"
    ) -> ManifestFile:
        lines = Lines(token, transfer)
        made.append(open_manifest(volume / ".tesk", "manifest", lines, boot))
        return made[-1]

    yield open_one
    for manifest in made:
        manifest.close()


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


def test_inputs_that_are_there_are_not_brought_again(
    opened: Open, tmp_path: Path
) -> None:
    bench = Bench(tmp_path / "volume", manifest=opened())
    bench.storage.files = {"s3://b/a": b"A", "s3://b/d/x": b"X", "s3://b/d/y": b"Y"}
    inputs = (
        Input(path="/a", url="s3://b/a"),
        Input(path="/d", url="s3://b/d", type=FileType.DIRECTORY),
    )
    bench.bring(*inputs)
    bench.storage.calls.clear()
    bench.storage.files["s3://b/d/y"] = b"newer"
    bench.manifest = opened()

    assert bench.bring(*inputs) is ExitCode.OK

    assert bench.storage.calls == [("list", "s3://b/d"), ("open", "s3://b/d/y")]
    assert (bench.folder / "d/y").read_text() == "newer"


MERGED = (
    Input(path="/d", url="s3://b/1", type=FileType.DIRECTORY),
    Input(path="/d", url="s3://b/2", type=FileType.DIRECTORY),
    Input(path="/d/x", url="s3://b/3"),
)


def merged(opened: Open, tmp_path: Path, files: dict[str, bytes]) -> Bench:
    """Bring directories that merge, and one file over both; change ``files`` then."""
    bench = Bench(tmp_path / "volume", manifest=opened())
    bench.storage.files = {"s3://b/1/x": b"1", "s3://b/1/y": b"1"}
    bench.storage.files |= {"s3://b/2/x": b"2", "s3://b/2/y": b"2", "s3://b/3": b"3"}
    assert bench.bring(*MERGED) is ExitCode.OK
    bench.storage.files |= files
    bench.storage.calls.clear()
    bench.manifest = opened()
    return bench


def opened_urls(bench: Bench) -> list[str]:
    return sorted(url for call, url in bench.storage.calls if call == "open")


def test_inputs_that_lie_below_others_are_not_brought_again(
    opened: Open, tmp_path: Path
) -> None:
    bench = merged(opened, tmp_path, {})

    assert bench.bring(*MERGED) is ExitCode.OK

    assert opened_urls(bench) == []
    assert bench.transfers.results[-1].resumed_files == 5
    assert (bench.texts()["d/x"], bench.texts()["d/y"]) == ("3", "2")


CHANGED = {
    "the lowest one": ({"s3://b/1/x": b"11"}, ["s3://b/1/x", "s3://b/2/x", "s3://b/3"]),
    "the one between": ({"s3://b/2/x": b"22"}, ["s3://b/2/x", "s3://b/3"]),
    "the one on top": ({"s3://b/2/y": b"22"}, ["s3://b/2/y"]),
}


@pytest.mark.parametrize(("files", "want"), CHANGED.values(), ids=CHANGED)
def test_what_changed_comes_again_with_all_that_lies_over_it(
    opened: Open, tmp_path: Path, files: dict[str, bytes], want: list[str]
) -> None:
    bench = merged(opened, tmp_path, files)

    assert bench.bring(*MERGED) is ExitCode.OK

    assert opened_urls(bench) == want
    top = files.get("s3://b/2/y", b"2").decode()
    assert (bench.texts()["d/x"], bench.texts()["d/y"]) == ("3", top)


def test_what_came_again_does_not_hide_what_belongs_over_it(
    opened: Open, tmp_path: Path
) -> None:
    bench = merged(opened, tmp_path, {"s3://b/1/x": b"11"})
    (below,) = MERGED[:1]
    assert bench.bring(below) is ExitCode.OK  # as if it was killed then
    assert bench.texts()["d/x"] == "11"
    bench.manifest = opened()

    assert bench.bring(*MERGED) is ExitCode.OK

    assert bench.texts()["d/x"] == "3"


def test_an_input_that_is_not_there_any_more_is_brought_again(
    opened: Open, tmp_path: Path
) -> None:
    bench = Bench(tmp_path / "volume", manifest=opened())
    bench.storage.files = {"s3://b/a": b"A", "s3://b/b": b"B"}
    inputs = (Input(path="/a", url="s3://b/a"), Input(path="/b", url="s3://b/b"))
    bench.bring(*inputs)
    (bench.folder / "a").unlink()
    (bench.folder / "b").write_text("other")
    bench.manifest = opened()

    assert bench.bring(*inputs) is ExitCode.OK
    assert bench.texts()["a"] == "A"
    assert bench.texts()["b"] == "B"


def test_outputs_that_were_taken_are_reported_and_not_taken_again(
    opened: Open, tmp_path: Path
) -> None:
    bench = Bench(tmp_path / "volume", manifest=opened())
    for name in ("a", "b"):
        (bench.folder / name).write_text(name)
    outputs = (Output(path="/a", url="s3://b/a"), Output(path="/b", url="s3://b/b"))
    bench.take(*outputs)
    (bench.folder / "b").write_text("other")
    bench.storage.calls.clear()
    bench.transfers.files.clear()
    bench.manifest = opened()

    assert bench.take(*outputs) is ExitCode.OK

    assert bench.storage.calls == [("write", "s3://b/b")]
    assert sorted(file.url for file in bench.transfers.files) == [
        "s3://b/a",
        "s3://b/b",
    ]


def test_a_large_file_goes_on_with_the_parts_that_are_missing(
    opened: Open, tmp_path: Path
) -> None:
    bench = Bench(
        tmp_path / "volume", manifest=opened(), parts_from=1, seconds=repeat(0.0)
    )
    content = bytes(range(256)) * (20 * MIB // 256)
    bench.storage.files = {"s3://b/l": content}
    bench.storage.cuts = {"s3://b/l": [17 * MIB, *[0] * 20]}
    whole = Input(path="/l", url="s3://b/l")
    assert bench.bring(whole) is ExitCode.TEMPORARY_FAILURE
    bench.storage.cuts.clear()
    bench.storage.calls.clear()
    bench.manifest = opened()

    assert bench.bring(whole) is ExitCode.OK

    assert (bench.folder / "l").read_bytes() == content
    assert bench.storage.calls == [("open", "s3://b/l")]
    result = bench.transfers.results[-1]
    assert (result.moved[0].bytes, result.resumed_bytes) == (4 * MIB, 16 * MIB)


def test_what_was_said_of_a_large_file_at_first_is_verified_when_it_goes_on(
    opened: Open, tmp_path: Path
) -> None:
    bench = Bench(
        tmp_path / "volume", manifest=opened(), parts_from=1, seconds=repeat(0.0)
    )
    content = bytes(range(256)) * (20 * MIB // 256)
    bench.storage.files = {"s3://b/l": content}
    bench.storage.checksums = {"s3://b/l": {"sha256": sha256(content).hexdigest()}}
    bench.storage.tells_with_parts = False
    bench.storage.cuts = {"s3://b/l": [17 * MIB, *[0] * 20]}
    whole = Input(path="/l", url="s3://b/l")
    assert bench.bring(whole) is ExitCode.TEMPORARY_FAILURE
    bench.storage.cuts.clear()
    bench.storage.damages = {"s3://b/l": 1}
    bench.manifest = opened()

    assert bench.bring(whole) is ExitCode.OK

    assert (bench.folder / "l").read_bytes() == content


def test_parts_of_what_has_changed_since_are_not_used(
    opened: Open, tmp_path: Path
) -> None:
    bench = Bench(
        tmp_path / "volume", manifest=opened(), parts_from=1, seconds=repeat(0.0)
    )
    bench.storage.files = {"s3://b/l": bytes(20 * MIB)}
    bench.storage.cuts = {"s3://b/l": [17 * MIB, *[0] * 20]}
    whole = Input(path="/l", url="s3://b/l")
    assert bench.bring(whole) is ExitCode.TEMPORARY_FAILURE
    bench.storage.cuts.clear()
    bench.storage.files = {"s3://b/l": b"\1" * 20 * MIB}
    bench.manifest = opened()

    assert bench.bring(whole) is ExitCode.OK
    assert (bench.folder / "l").read_bytes() == b"\1" * 20 * MIB
