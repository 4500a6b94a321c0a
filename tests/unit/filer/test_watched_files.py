"""Files that change are read again, and those that broke are not used."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tesk_filer.adapters.storage.watched_files import Reading, Watched


class Numbers:
    """Reads a number from each file of a folder, on a clock that stands still."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 0.0
        self.warnings: list[str] = []
        self.reads = 0

    def load(self, reading: Reading) -> dict[str, int]:
        self.reads += 1
        names = reading.names(self.folder)
        return {
            name: int(reading.read(self.folder / name))
            for name in names
            if not name.startswith(".")
        }

    def watched(self) -> Watched[dict[str, int]]:
        return Watched(self.load, monotonic=lambda: self.now, warn=self.warnings.append)


@pytest.fixture
def numbers(tmp_path: Path) -> Numbers:
    (tmp_path / "a").write_text("1")
    return Numbers(tmp_path)


def replace(path: Path, text: str) -> None:
    """Write a file as most tools do."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.rename(path)


def test_nothing_is_read_before_it_is_needed(numbers: Numbers) -> None:
    numbers.watched()

    assert numbers.reads == 0


def test_files_are_read_once_while_nothing_changes(numbers: Numbers) -> None:
    watched = numbers.watched()

    for _ in range(3):
        assert watched() == {"a": 1}
        numbers.now += 1

    assert numbers.reads == 1


def test_a_change_is_noticed_within_a_second(numbers: Numbers) -> None:
    watched = numbers.watched()
    assert watched() == {"a": 1}
    replace(numbers.folder / "a", "2")

    numbers.now = 0.9
    assert watched() == {"a": 1}
    numbers.now = 1
    assert watched() == {"a": 2}


def test_a_file_that_is_written_again_in_place_is_noticed(numbers: Numbers) -> None:
    watched = numbers.watched()
    assert watched() == {"a": 1}
    (numbers.folder / "a").write_text("12")

    numbers.now = 1
    assert watched() == {"a": 12}


def test_a_file_that_is_added_is_noticed(numbers: Numbers) -> None:
    watched = numbers.watched()
    assert watched() == {"a": 1}
    (numbers.folder / "b").write_text("2")

    numbers.now = 1
    assert watched() == {"a": 1, "b": 2}


def test_what_cannot_be_read_changes_nothing_and_is_told_once(
    numbers: Numbers,
) -> None:
    watched = numbers.watched()
    assert watched() == {"a": 1}
    replace(numbers.folder / "a", "?")

    for _ in range(3):
        numbers.now += 1
        assert watched() == {"a": 1}
    assert len(numbers.warnings) == 1
    assert numbers.warnings[0].endswith("; what was read before stays in use")

    replace(numbers.folder / "a", "3")
    numbers.now += 1
    assert watched() == {"a": 3}


def test_a_folder_that_vanishes_changes_nothing_and_is_told_once(
    numbers: Numbers,
) -> None:
    def load(reading: Reading) -> int:
        try:
            return int(reading.read(numbers.folder / "x" / "a"))
        except OSError:
            raise ValueError("gone") from None

    (numbers.folder / "x").mkdir()
    (numbers.folder / "x" / "a").write_text("1")
    watched = Watched(load, monotonic=lambda: numbers.now, warn=numbers.warnings.append)
    assert watched() == 1
    (numbers.folder / "x").rename(numbers.folder / "y")

    for _ in range(3):
        numbers.now += 1
        assert watched() == 1
    assert numbers.warnings == ["gone; what was read before stays in use"]

    (numbers.folder / "y").rename(numbers.folder / "x")
    numbers.now += 1
    assert watched() == 1
    replace(numbers.folder / "x" / "a", "2")
    numbers.now += 1
    assert watched() == 2


def kubernetes_version(mount: Path, name: str, values: dict[str, str]) -> None:
    """Make what a mount of a Secret shows, as the kubelet does."""
    version = mount / f"..{name}"
    version.mkdir()
    for key, value in values.items():
        (version / key).write_text(value)
        if not (mount / key).is_symlink():
            (mount / key).symlink_to(f"..data/{key}")
    link = mount / "..data_tmp"
    link.symlink_to(version.name)
    link.rename(mount / "..data")


def test_a_secret_of_kubernetes_changes_as_a_whole(tmp_path: Path) -> None:
    numbers = Numbers(tmp_path)
    kubernetes_version(tmp_path, "1", {"a": "1", "b": "1"})
    watched = numbers.watched()
    assert watched() == {"a": 1, "b": 1}

    kubernetes_version(tmp_path, "2", {"a": "2", "b": "2"})
    numbers.now = 1

    assert watched() == {"a": 2, "b": 2}


def test_values_of_two_versions_are_not_mixed(tmp_path: Path) -> None:
    kubernetes_version(tmp_path, "1", {"a": "1", "b": "1"})
    rotations = iter(["2", "3"])

    def load(reading: Reading) -> tuple[str, str]:
        first = reading.read(tmp_path / "a")
        new = next(rotations, "")
        if new:
            kubernetes_version(tmp_path, new, {"a": new, "b": new})
        return first, reading.read(tmp_path / "b")

    watched = Watched(load, monotonic=lambda: 0.0, warn=pytest.fail)

    assert watched() == ("3", "3")


def test_a_file_that_never_rests_is_refused(tmp_path: Path) -> None:
    def load(reading: Reading) -> str:
        (tmp_path / "a").write_text("x")
        text = reading.read(tmp_path / "a")
        os.utime(tmp_path / "a", ns=(1, 1))
        return text

    watched = Watched(load, monotonic=lambda: 0.0, warn=lambda _: None)

    with pytest.raises(ValueError, match="changes without end"):
        watched()


def test_what_cannot_be_read_at_first_is_an_error_until_it_can(
    numbers: Numbers,
) -> None:
    watched = numbers.watched()
    (numbers.folder / "a").write_bytes(b"\xff")

    for _ in range(3):
        with pytest.raises(ValueError, match="UTF-8"):
            watched()
        numbers.now += 1
    assert numbers.reads == len(numbers.warnings) == 1
    replace(numbers.folder / "a", "7")

    assert watched() == {"a": 7}


def test_all_wait_for_the_first_value(numbers: Numbers) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def load(reading: Reading) -> dict[str, int]:
        begun.set()
        assert go_on.wait(30)
        return numbers.load(reading)

    watched = Watched(load, monotonic=lambda: 0.0, warn=pytest.fail)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(watched)
        assert begun.wait(30)
        second = pool.submit(watched)
        go_on.set()

        assert first.result(30) == second.result(30) == {"a": 1}
    assert numbers.reads == 1
