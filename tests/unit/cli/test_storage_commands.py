"""``tesk storage`` as a user types it, but ``put``."""

import json
import os
from pathlib import Path

import pytest

from builders.tasks import make_task_json
from clients.storage_terminal import FILES, PARTS_FROM, StorageTerminal
from tesk_cli.ports import StorageFailedError, StorageStoppedError
from tesk_filer.ports import StorageError
from tesk_model.errors import NotFoundError, UnavailableError


@pytest.fixture
def terminal(tmp_path: Path) -> StorageTerminal:
    return StorageTerminal(tmp_path)


def test_stat_prints_what_the_storage_says(terminal: StorageTerminal) -> None:
    text = terminal.run("stat", "s3://b/a")
    found = json.loads(terminal.run("stat", "s3://b/a", "-o", "json").stdout)

    assert text.exit_code == 0
    assert "size: 7\n" in text.stdout
    assert (found["url"], found["kind"], found["size"]) == ("s3://b/a", "file", 7)


def test_stat_of_nothing_is_not_found(terminal: StorageTerminal) -> None:
    result = terminal.run("stat", "s3://b/no")

    assert isinstance(result.exception, NotFoundError)
    assert str(result.exception) == "s3://b/no: does not exist"


FAULTS = {
    "for good": (StorageError("access denied"), StorageFailedError),
    "for now": (StorageError("busy", transient=True), UnavailableError),
}


@pytest.mark.parametrize(("fault", "want"), FAULTS.values(), ids=FAULTS)
def test_a_storage_that_fails_is_told(
    terminal: StorageTerminal, fault: StorageError, want: type[Exception]
) -> None:
    terminal.s3.faults["s3://b/a"] = [fault] * 5

    result = terminal.run("stat", "s3://b/a")

    assert isinstance(result.exception, want)
    assert str(result.exception) == f"s3://b/a: {fault.message}"


def test_no_message_shows_a_secret(terminal: StorageTerminal) -> None:
    def fail() -> None:
        terminal.s3.faults["s3://b/a"] = [StorageError("said: s3cr3t")]

    fail()
    stat = terminal.run("stat", "s3://b/a")
    fail()
    got = terminal.run("get", "s3://b/a", f"{terminal.root}/x")
    fail()
    body = task(inputs=[{"path": "/a", "url": "s3://b/a"}])
    checked = terminal.run("check", "-", stdin=body)

    assert "said: ***" in str(stat.exception)
    assert "said: ***" in got.stderr
    assert "said: ***" in checked.stdout


def test_ls_lists_all_pages_with_sizes(terminal: StorageTerminal) -> None:
    result = terminal.run("ls", "s3://b")

    assert [line.split() for line in result.stdout.splitlines()] == [
        ["7", "a"],
        ["2", "d/e/y"],
        ["1", "d/x"],
    ]
    assert result.stderr == ""


def test_ls_has_a_limit_and_says_that_there_is_more(terminal: StorageTerminal) -> None:
    result = terminal.run("ls", "s3://b", "--limit", "2", "-o", "json")

    assert [each["name"] for each in json.loads(result.stdout)] == ["a", "d/e/y"]
    assert "there are more; --limit is 2" in result.stderr


def test_ls_of_a_file_lists_the_file(terminal: StorageTerminal) -> None:
    assert terminal.run("ls", "s3://b/d/x").stdout.split() == ["1", "x"]


TARGETS = {
    "a new name": ("new/name", "new/name"),
    "a folder": ("folder", "folder/a"),
    "a folder that is not there yet": ("new/", "new/a"),
}


@pytest.mark.parametrize(("path", "want"), TARGETS.values(), ids=TARGETS)
def test_get_downloads_a_file(terminal: StorageTerminal, path: str, want: str) -> None:
    (terminal.root / "folder").mkdir()

    result = terminal.run("get", "s3://b/a", f"{terminal.root}/{path}")

    assert result.exit_code == 0, result.stderr
    assert "1 file, 7 B in " in result.stdout
    assert (terminal.root / want).read_bytes() == b"content"


def test_get_downloads_a_directory_with_the_modes_of_the_user(
    terminal: StorageTerminal,
) -> None:
    target = terminal.root / "t"

    result = terminal.run("get", "-r", "s3://b/d", str(target), "-o", "json")

    moved = json.loads(result.stdout)
    assert (moved["files"], moved["bytes"], moved["error"]) == (2, 3, "")
    assert (target / "e/y").read_bytes() == b"yy"
    assert (target / "e/y").stat().st_mode & 0o777 == 0o640
    assert (target / "e").stat().st_mode & 0o777 == 0o750
    assert sorted(os.listdir(target)) == ["e", "x"]  # noqa: PTH208 - names


def test_a_transfer_that_fails_says_why_and_what_moved(
    terminal: StorageTerminal,
) -> None:
    result = terminal.run("get", "s3://b/no", f"{terminal.root}/x")

    assert result.exit_code == 4
    assert "s3://b/no: does not exist" in result.stderr
    assert "0 files, 0 B" in result.stdout


EMPTY = {
    "a directory": (["-r", "s3://b/none"], "new/t"),
    "a directory whose files fail": (["-r", "s3://b/d"], "new/t"),
    "a file": (["s3://b/none"], "new/t"),
    "into a folder of the user": (["-r", "s3://b/none"], "own"),
    "below a folder of the user": (["-r", "s3://b/none"], "own/t"),
}


@pytest.mark.parametrize(("arguments", "path"), EMPTY.values(), ids=EMPTY)
def test_a_download_that_fails_leaves_no_empty_folder_that_it_made(
    terminal: StorageTerminal, arguments: list[str], path: str
) -> None:
    (terminal.root / "own").mkdir()
    for file in ("s3://b/d/x", "s3://b/d/e/y"):
        terminal.s3.faults[file] = [StorageError("access denied")] * 5

    result = terminal.run("get", *arguments, f"{terminal.root}/{path}")

    assert result.exit_code != 0
    assert list(terminal.root.rglob("*")) == [terminal.root / "own"]


def test_a_download_that_fails_leaves_the_files_that_are_complete(
    terminal: StorageTerminal,
) -> None:
    terminal.s3.faults["s3://b/d/e/y"] = [StorageError("access denied")] * 5

    result = terminal.run("get", "-r", "s3://b/d", f"{terminal.root}/t")

    assert result.exit_code == 1
    left = [path.name for path in terminal.root.rglob("*") if path.is_file()]
    assert left == result.stdout.count("1 file,") * ["x"]


def test_a_large_download_that_fails_for_now_leaves_nothing_of_the_file(
    terminal: StorageTerminal,
) -> None:
    terminal.s3.files["s3://b/large"] = bytes(PARTS_FROM)
    terminal.s3.cuts["s3://b/large"] = [PARTS_FROM // 2] * 10

    result = terminal.run("get", "s3://b/large", f"{terminal.root}/x")

    assert result.exit_code == 3, result.stderr
    assert list(terminal.root.iterdir()) == []


FAILED_TRANSFERS = {
    "for good": (StorageError("access denied"), 1),
    "for now": (StorageError("busy", transient=True), 3),
}


@pytest.mark.parametrize("command", ["get", "put"])
@pytest.mark.parametrize(
    ("fault", "want"), FAILED_TRANSFERS.values(), ids=FAILED_TRANSFERS
)
def test_a_transfer_that_may_succeed_later_has_another_exit_code(
    terminal: StorageTerminal, command: str, fault: StorageError, want: int
) -> None:
    terminal.s3.faults["s3://b/a"] = [fault] * 20
    file = terminal.root / "x"
    file.touch()
    ends = [str(file), "s3://b/a"] if command == "put" else ["s3://b/a", str(file)]

    result = terminal.run(command, *ends)

    assert result.exit_code == want
    assert fault.message in result.stderr


KINDS = {
    "a directory": (["s3://b/d"], "give --recursive to download what is below it"),
    "a file": (["-r", "s3://b/a"], "without --recursive it is downloaded as one file"),
}


@pytest.mark.parametrize(("arguments", "hint"), KINDS.values(), ids=KINDS)
def test_get_of_the_other_kind_tells_what_the_option_has_to_do_with_it(
    terminal: StorageTerminal, arguments: list[str], hint: str
) -> None:
    result = terminal.run("get", *arguments, f"{terminal.root}/x")

    assert result.exit_code == 1
    assert hint in result.stderr


def test_a_transfer_that_is_stopped_has_no_result(terminal: StorageTerminal) -> None:
    terminal.stopped.set()

    result = terminal.run("get", "s3://b/a", f"{terminal.root}/x")

    assert isinstance(result.exception, StorageStoppedError)


@pytest.mark.parametrize("command", [["stat"], ["ls"], ["get"]])
def test_a_url_that_cannot_be_read_names_the_argument(
    terminal: StorageTerminal, command: list[str]
) -> None:
    rest = [str(terminal.root)] if command == ["get"] else []

    result = terminal.run(*command, "gopher://x", *rest)

    assert 'URL: scheme "gopher" is not supported' in str(result.exception)


def task(**fields: object) -> str:
    return json.dumps(make_task_json(**fields))


def test_check_reports_each_input_and_output(terminal: StorageTerminal) -> None:
    body = task(
        inputs=[
            {"path": "/a", "url": "s3://b/a"},
            {"path": "/n", "url": "s3://b/no"},
        ],
        outputs=[
            {"path": "/o", "url": f"{terminal.root}/o"},
            {"path": "/p", "url": "s3://b/p"},
        ],
    )

    result = terminal.run("check", "-", "--json", stdin=body)

    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [(each["field"], each["verdict"]) for each in found] == [
        ("inputs[0]", "ok"),
        ("inputs[1]", "failed"),
        ("outputs[0]", "ok"),
        ("outputs[1]", "unknown"),
    ]
    assert "a server that runs allows those of its start" in result.stderr
    assert terminal.scopes == [(Path.cwd(),)]
    assert terminal.s3.files == FILES


def test_check_of_a_task_that_can_run_ends_well(terminal: StorageTerminal) -> None:
    body = task(
        inputs=[{"path": "/a", "url": "s3://b/a"}],
        outputs=[{"path": "/p", "url": "s3://b/p"}],
    )

    result = terminal.run("check", "-", "--write-probe", stdin=body)

    assert result.exit_code == 0
    assert "outputs[0]" in result.stdout
    assert "written beside it, and removed" in result.stdout
    assert result.stderr == ""
    assert terminal.s3.files == FILES


def test_check_refuses_a_task_that_is_not_valid(terminal: StorageTerminal) -> None:
    result = terminal.run("check", "-", stdin='{"executors": []}')

    assert "executors: " in str(result.exception)
