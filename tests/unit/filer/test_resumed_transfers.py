"""What a filer moves that goes on where another one was."""

from collections.abc import Callable
from hashlib import sha256
from itertools import repeat
from pathlib import Path

import pytest

from simulations.transfer import Bench
from tesk_filer.adapters.manifest_file import ManifestFile
from tesk_filer.domain.parts import MIB
from tesk_filer.usecases.transfer import ExitCode
from tesk_model.task import FileType, Input, Output

Open = Callable[..., ManifestFile]


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


def test_a_directory_over_files_is_not_brought_again(
    opened: Open, tmp_path: Path
) -> None:
    bench = Bench(tmp_path / "volume", manifest=opened())
    bench.storage.files = {"s3://b/1/x": b"1", "s3://b/1/y": b"1", "s3://b/3": b"3"}
    below = (
        Input(path="/d/x", url="s3://b/3"),
        Input(path="/d", url="s3://b/1", type=FileType.DIRECTORY),
    )
    assert bench.bring(*below) is ExitCode.OK
    bench.storage.calls.clear()
    bench.manifest = opened()

    assert bench.bring(*below) is ExitCode.OK

    assert opened_urls(bench) == []
    assert (bench.texts()["d/x"], bench.texts()["d/y"]) == ("1", "1")


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


def test_an_output_that_one_user_has_is_sent_to_another(
    opened: Open, tmp_path: Path
) -> None:
    bench = Bench(tmp_path / "volume", manifest=opened())
    (bench.folder / "a").write_text("a")
    of_alice, of_bob = (
        Output(path="/a", url=f"sftp://{user}@h/~/a") for user in ("alice", "bob")
    )
    bench.take(of_alice)  # as if that of the other failed
    bench.storage.calls.clear()
    bench.manifest = opened()

    assert bench.take(of_alice, of_bob) is ExitCode.OK

    assert bench.storage.calls == [("write", "sftp://h/~/a")]


def test_an_input_of_one_user_is_not_taken_for_that_of_another(
    opened: Open, tmp_path: Path
) -> None:
    bench = Bench(tmp_path / "volume", manifest=opened())
    bench.storage.files = {"sftp://h/~/a": b"of alice"}
    of_alice, of_bob = (
        Input(path="/a", url=f"sftp://{user}@h/~/a") for user in ("alice", "bob")
    )
    bench.bring(of_alice)  # as if it was killed then
    bench.storage.files = {"sftp://h/~/a": b"of bob"}
    bench.storage.calls.clear()
    bench.manifest = opened()

    assert bench.bring(of_alice, of_bob) is ExitCode.OK

    assert bench.texts()["a"] == "of bob"
    assert opened_urls(bench) == ["sftp://h/~/a"]


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
    result = bench.transfers.results[-1]
    assert (result.moved[0].bytes, result.resumed_bytes) == (20 * MIB, 0)


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
