"""Transfers end at the limits of files, depth and bytes."""

from collections.abc import Sequence

import pytest

from files.deep_trees import make_deep
from simulations.transfer import Bench
from tesk_filer.adapters.volume import FolderVolume
from tesk_filer.config import FilerSettings
from tesk_filer.domain.expansion import Expansion, Limits, TooLargeError
from tesk_filer.domain.globs import expand, expand_deep
from tesk_filer.usecases.transfer import ExitCode
from tesk_model.task import FileType, Input, Output
from tesk_runtime.removal import remove_tree


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


CROWDED = {
    "a directory": Output(path="/o", url="s3://b/o", type=FileType.DIRECTORY),
    "a pattern": Output(path="/o/*", url="s3://b/o", path_prefix="/o"),
    "a deep pattern": Output(path="/o/**/*.txt", url="s3://b/o", path_prefix="/o"),
    "a pattern that matches nothing": Output(
        path="/o/*.bam", url="s3://b/o", path_prefix="/o"
    ),
}


@pytest.mark.parametrize("output", CROWDED.values(), ids=CROWDED)
def test_of_an_output_directory_no_more_names_are_read_than_may_be_taken(
    bench: Bench, output: Output
) -> None:
    asked: list[int] = []

    class Watched(FolderVolume):
        def names(self, path: str, most: int) -> Sequence[str]:
            names = super().names(path, most)
            asked.append(len(names))
            return names

    bench.open_volume = lambda folder, _: Watched(folder)
    bench.limits = Limits(files=10)
    (bench.folder / "o").mkdir()
    for number in range(50):
        (bench.folder / f"o/{number}.txt").touch()

    assert bench.take(output) is ExitCode.FAILED

    assert "is more than 10 files and directories" in bench.error
    assert max(asked) <= 11
    assert bench.storage.files == {}


@pytest.mark.parametrize("pattern", ["/o/*", "/o/?.txt", "/*/?.txt", "/o/**"])
def test_as_many_files_as_may_be_taken_may_match(bench: Bench, pattern: str) -> None:
    bench.limits = Limits(files=8)
    (bench.folder / "o").mkdir()
    for number in range(6):
        (bench.folder / f"o/{number}.txt").touch()

    taken = bench.take(Output(path=pattern, url="s3://b/o", path_prefix="/o"))

    assert taken is ExitCode.OK
    assert len(bench.storage.files) == 6


def test_links_do_not_make_a_pattern_look_at_names_without_end(bench: Bench) -> None:
    bench.limits = Limits(files=50)
    (bench.folder / "many").mkdir()
    for number in range(30):
        (bench.folder / f"many/{number}.txt").touch()
    for number in range(20):
        (bench.folder / f"l{number}").symlink_to("many")

    with pytest.raises(TooLargeError, match="look at more than 500 names"):
        expand("/*/*.bam", FolderVolume(bench.folder), Expansion(bench.limits))


def test_what_all_folders_of_a_deep_pattern_hold_is_bounded(bench: Bench) -> None:
    bench.limits = Limits(files=30)
    for number in range(40):
        (bench.folder / f"{number % 4}").mkdir(exist_ok=True)
        (bench.folder / f"{number % 4}/{number}.txt").touch()

    with pytest.raises(TooLargeError, match="is more than 30 files and directories"):
        expand_deep("/**/*.txt", FolderVolume(bench.folder), Expansion(bench.limits))


def test_an_input_that_is_too_deep_is_told(bench: Bench) -> None:
    bench.storage.files["s3://b/in" + "/d" * 300 + "/a"] = b""

    bench.bring(Input(path="/in", url="s3://b/in", type=FileType.DIRECTORY))

    assert "is nested deeper than 256 directories" in bench.error


def test_the_largest_object_of_most_stores_may_be_moved() -> None:
    assert FilerSettings().max_file_bytes == Limits().size == 5 * 1024**4


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
