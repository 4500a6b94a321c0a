"""``tesk storage`` as a user types it, on a storage in memory and files of this machine."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from builders.tasks import make_task_json
from fakes.filer_storage import MemoryStorage
from fakes.task_server import FakeTaskServer
from tesk_cli.adapters.examples import example_path, list_examples
from tesk_cli.adapters.storage import FilerStorage
from tesk_cli.adapters.system_clock import SystemClock
from tesk_cli.adapters.validation import parse_task, validate_task
from tesk_cli.cli.app import build_app
from tesk_cli.cli.dependencies import Dependencies
from tesk_cli.ports import StorageAccess, StorageFailedError, StorageStoppedError
from tesk_filer.adapters.storage.local import LocalStorage
from tesk_filer.config import FilerSettings
from tesk_filer.ports import Storage, StorageError
from tesk_model.errors import NotFoundError, UnavailableError
from tesk_model.locations import Location

FILES = {"s3://b/a": b"content", "s3://b/d/x": b"x", "s3://b/d/e/y": b"yy"}


@dataclass
class Terminal:
    """Runs commands.

    Attributes:
        s3: Serves all urls but files of this machine.
        root: Serves these.
        scopes: The folders that commands asked for.
        stopped: Stops transfers.
    """

    root: Path
    s3: MemoryStorage = field(default_factory=lambda: MemoryStorage(dict(FILES)))
    scopes: list[tuple[Path, ...] | None] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def of(self, location: Location) -> Storage:
        return LocalStorage([str(self.root)]) if location.scheme == "file" else self.s3

    def run(self, *arguments: str, stdin: str = "") -> Result:
        dependencies = Dependencies(
            connect=lambda _url: FakeTaskServer(),
            validate=validate_task,
            parse=parse_task,
            storage=self._storage,
            clock=SystemClock(),
            local_server=lambda: None,
            embedded=lambda _folders: pytest.fail("starts no server"),
            serve=lambda _verbose: None,
            examples=list_examples,
            example_path=example_path,
            simulation=lambda _quota, _trace: pytest.fail("simulates nothing"),
            admin=lambda _caller: pytest.fail("calls no scheduler"),
        )
        return CliRunner().invoke(
            build_app(),
            ["storage", *arguments],
            obj=dependencies,
            input=stdin,
            env={"TERM": "dumb"},
        )

    @contextmanager
    def _storage(self, folders: tuple[Path, ...] | None) -> Iterator[StorageAccess]:
        self.scopes.append(folders)
        yield FilerStorage(
            filer=FilerSettings(backoff=timedelta()),
            storages=self,
            new_id=lambda: "1",
            umask=0o027,
            stop_on_signals=lambda: self.stopped,
            redact=lambda text: text.replace("s3cr3t", "***"),
        )


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


def test_stat_prints_what_the_storage_says(terminal: Terminal) -> None:
    text = terminal.run("stat", "s3://b/a")
    found = json.loads(terminal.run("stat", "s3://b/a", "-o", "json").stdout)

    assert text.exit_code == 0
    assert "size: 7\n" in text.stdout
    assert (found["url"], found["kind"], found["size"]) == ("s3://b/a", "file", 7)


def test_stat_of_nothing_is_not_found(terminal: Terminal) -> None:
    result = terminal.run("stat", "s3://b/no")

    assert isinstance(result.exception, NotFoundError)
    assert str(result.exception) == "s3://b/no: does not exist"


FAULTS = {
    "for good": (StorageError("access denied"), StorageFailedError),
    "for now": (StorageError("busy", transient=True), UnavailableError),
}


@pytest.mark.parametrize(("fault", "want"), FAULTS.values(), ids=FAULTS)
def test_a_storage_that_fails_is_told(
    terminal: Terminal, fault: StorageError, want: type[Exception]
) -> None:
    terminal.s3.faults["s3://b/a"] = [fault] * 5

    result = terminal.run("stat", "s3://b/a")

    assert isinstance(result.exception, want)
    assert str(result.exception) == f"s3://b/a: {fault.message}"


def test_no_message_shows_a_secret(terminal: Terminal) -> None:
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


def test_ls_lists_all_pages_with_sizes(terminal: Terminal) -> None:
    result = terminal.run("ls", "s3://b")

    assert [line.split() for line in result.stdout.splitlines()] == [
        ["7", "a"],
        ["2", "d/e/y"],
        ["1", "d/x"],
    ]
    assert result.stderr == ""


def test_ls_has_a_limit_and_says_that_there_is_more(terminal: Terminal) -> None:
    result = terminal.run("ls", "s3://b", "--limit", "2", "-o", "json")

    assert [each["name"] for each in json.loads(result.stdout)] == ["a", "d/e/y"]
    assert "there are more; --limit is 2" in result.stderr


def test_ls_of_a_file_lists_the_file(terminal: Terminal) -> None:
    assert terminal.run("ls", "s3://b/d/x").stdout.split() == ["1", "x"]


TARGETS = {
    "a new name": ("new/name", "new/name"),
    "a folder": ("folder", "folder/a"),
    "a folder that is not there yet": ("new/", "new/a"),
}


@pytest.mark.parametrize(("path", "want"), TARGETS.values(), ids=TARGETS)
def test_get_downloads_a_file(terminal: Terminal, path: str, want: str) -> None:
    (terminal.root / "folder").mkdir()

    result = terminal.run("get", "s3://b/a", f"{terminal.root}/{path}")

    assert result.exit_code == 0, result.stderr
    assert "1 file, 7 B in " in result.stdout
    assert (terminal.root / want).read_bytes() == b"content"


def test_get_downloads_a_directory_with_the_modes_of_the_user(
    terminal: Terminal,
) -> None:
    target = terminal.root / "t"

    result = terminal.run("get", "-r", "s3://b/d", str(target), "-o", "json")

    moved = json.loads(result.stdout)
    assert (moved["files"], moved["bytes"], moved["error"]) == (2, 3, "")
    assert (target / "e/y").read_bytes() == b"yy"
    assert (target / "e/y").stat().st_mode & 0o777 == 0o640
    assert (target / "e").stat().st_mode & 0o777 == 0o750
    assert sorted(os.listdir(target)) == ["e", "x"]  # noqa: PTH208 - names


def test_a_transfer_that_fails_says_why_and_what_moved(terminal: Terminal) -> None:
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
    terminal: Terminal, arguments: list[str], path: str
) -> None:
    (terminal.root / "own").mkdir()
    for file in ("s3://b/d/x", "s3://b/d/e/y"):
        terminal.s3.faults[file] = [StorageError("access denied")] * 5

    result = terminal.run("get", *arguments, f"{terminal.root}/{path}")

    assert result.exit_code != 0
    assert list(terminal.root.rglob("*")) == [terminal.root / "own"]


def test_a_download_that_fails_leaves_the_files_that_are_complete(
    terminal: Terminal,
) -> None:
    terminal.s3.faults["s3://b/d/e/y"] = [StorageError("access denied")] * 5

    result = terminal.run("get", "-r", "s3://b/d", f"{terminal.root}/t")

    assert result.exit_code == 1
    left = [path.name for path in terminal.root.rglob("*") if path.is_file()]
    assert left == result.stdout.count("1 file,") * ["x"]


FAILED_TRANSFERS = {
    "for good": (StorageError("access denied"), 1),
    "for now": (StorageError("busy", transient=True), 3),
}


@pytest.mark.parametrize("command", ["get", "put"])
@pytest.mark.parametrize(
    ("fault", "want"), FAILED_TRANSFERS.values(), ids=FAILED_TRANSFERS
)
def test_a_transfer_that_may_succeed_later_has_another_exit_code(
    terminal: Terminal, command: str, fault: StorageError, want: int
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
    terminal: Terminal, arguments: list[str], hint: str
) -> None:
    result = terminal.run("get", *arguments, f"{terminal.root}/x")

    assert result.exit_code == 1
    assert hint in result.stderr


def test_a_transfer_that_is_stopped_has_no_result(terminal: Terminal) -> None:
    terminal.stopped.set()

    result = terminal.run("get", "s3://b/a", f"{terminal.root}/x")

    assert isinstance(result.exception, StorageStoppedError)


NAMES = ["plain", "a*[b]?{c,d}", "back\\slash", "a b%20+#"]


@pytest.mark.parametrize("name", NAMES)
def test_put_uploads_a_file_of_any_name(terminal: Terminal, name: str) -> None:
    (terminal.root / name).write_bytes(b"out")

    named = terminal.run("put", str(terminal.root / name), "s3://b/new")
    below = terminal.run("put", str(terminal.root / name), "s3://b/dir/")

    assert (named.exit_code, below.exit_code) == (0, 0), named.stderr + below.stderr
    assert terminal.s3.files["s3://b/new"] == b"out"
    assert terminal.s3.files[f"s3://b/dir/{name}"] == b"out"


def test_put_refuses_a_name_that_no_pattern_can_write(terminal: Terminal) -> None:
    (terminal.root / "a\\*").write_bytes(b"out")

    result = terminal.run("put", str(terminal.root / "a\\*"), "s3://b/new")

    assert "rename it" in str(result.exception)


def test_put_writes_names_as_the_scheme_does(terminal: Terminal) -> None:
    (terminal.root / "a b%").write_bytes(b"out")

    terminal.run("put", str(terminal.root / "a b%"), f"file://{terminal.root}/t/")

    assert (terminal.root / "t/a b%").read_bytes() == b"out"


@pytest.mark.parametrize("slash", ["", "/."])
def test_put_of_a_link_takes_the_name_that_was_given(
    terminal: Terminal, slash: str
) -> None:
    (terminal.root / "run-17.html").write_bytes(b"out")
    (terminal.root / "latest.html").symlink_to("run-17.html")
    (terminal.root / "link.html").symlink_to("latest.html")

    result = terminal.run("put", f"{terminal.root}/link.html{slash}", "s3://b/dir/")

    assert result.exit_code == 0, result.stderr
    assert terminal.s3.files["s3://b/dir/link.html"] == b"out"


def test_put_takes_a_name_that_is_not_utf_8(terminal: Terminal) -> None:
    name = os.fsdecode(b"a\xff")
    (terminal.root / name).write_bytes(b"out")

    result = terminal.run(
        "put", f"{terminal.root}/{name}", f"file://{terminal.root}/t/"
    )

    assert result.exit_code == 0, result.stderr
    assert (terminal.root / "t" / name).read_bytes() == b"out"


def test_put_refuses_a_name_that_the_scheme_does_not_take(terminal: Terminal) -> None:
    (terminal.root / "a\nb").write_bytes(b"out")

    result = terminal.run("put", f"{terminal.root}/a\nb", "ftp://host/t/")

    assert "URL: must not contain line ends" in str(result.exception)


def test_put_uploads_what_is_in_a_folder(terminal: Terminal) -> None:
    (terminal.root / "f/g").mkdir(parents=True)
    (terminal.root / "f/g/x").write_bytes(b"out")

    refused = terminal.run("put", f"{terminal.root}/f", "s3://b/up")
    result = terminal.run("put", "-r", f"{terminal.root}/f", "s3://b/up")

    assert "give --recursive" in str(refused.exception)
    assert result.exit_code == 0, result.stderr
    assert terminal.s3.files["s3://b/up/g/x"] == b"out"


def test_put_of_nothing_is_not_found(terminal: Terminal) -> None:
    result = terminal.run("put", f"{terminal.root}/no", "s3://b/new")

    assert isinstance(result.exception, NotFoundError)


@pytest.mark.parametrize("command", [["stat"], ["ls"], ["get"]])
def test_a_url_that_cannot_be_read_names_the_argument(
    terminal: Terminal, command: list[str]
) -> None:
    rest = [str(terminal.root)] if command == ["get"] else []

    result = terminal.run(*command, "gopher://x", *rest)

    assert 'URL: scheme "gopher" is not supported' in str(result.exception)


def task(**fields: object) -> str:
    return json.dumps(make_task_json(**fields))


def test_check_reports_each_input_and_output(terminal: Terminal) -> None:
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


def test_check_of_a_task_that_can_run_ends_well(terminal: Terminal) -> None:
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


def test_check_refuses_a_task_that_is_not_valid(terminal: Terminal) -> None:
    result = terminal.run("check", "-", stdin='{"executors": []}')

    assert "executors: " in str(result.exception)
