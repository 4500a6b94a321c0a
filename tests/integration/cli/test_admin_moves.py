"""Tasks move from one scheduler to another by ``tesk admin export`` and ``import``."""

import stat
from pathlib import Path
from typing import Any

import pytest

from clients.admin_terminal import AdminTerminal, admin_terminal
from tesk_cli.adapters.admin_client import AdminClient
from tesk_cli.ports.admin import ImportCount
from tesk_model.errors import ConflictError, InvalidRequestError, UnavailableError


class BreaksOff(AdminClient):
    """A connection that is lost after some batches of lines."""

    batches = 1

    def import_lines(self, lines: Any) -> ImportCount:
        if not self.batches:
            raise UnavailableError("gone")
        self.batches -= 1
        return super().import_lines(lines)


def exported(terminal: AdminTerminal, path: Path) -> Path:
    result = terminal.run("export", str(path))
    assert result.exit_code == 0, result.exception
    return path


def test_all_tasks_move_from_one_scheduler_to_another(
    terminal: AdminTerminal, tmp_path: Path
) -> None:
    terminal.run("drain")
    ids = terminal.running.create(3, name="n" * 3_000_000, tags={"a": "b"})
    file = exported(terminal, tmp_path / "tasks.jsonl")

    with admin_terminal(tmp_path / "b") as other:
        planned = other.run("import", str(file), "--dry-run")
        empty = other.json("status")
        result = other.run("import", str(file))
        after = other.json("status")
        again = other.run("import", str(file))
        repeated = other.run("import", str(file), "--beside")
        found = [other.running.get(each) for each in ids]

    assert planned.stdout == "would import 3 tasks; the file is complete\n"
    assert (empty["queued"], empty["holds"]) == (0, [])
    assert result.stdout == "3 tasks imported, 0 were there already\n"
    # The hold of all tasks is that of the import.
    assert [each["reason"] for each in after["holds"]] == []
    assert isinstance(again.exception, ConflictError)
    assert repeated.stdout == "0 tasks imported, 3 were there already\n"
    assert [each.name for each in found] == ["n" * 3_000_000] * 3
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not list(tmp_path.glob("*.partial"))


def test_an_import_that_broke_off_keeps_everything_held_and_is_repeated(
    terminal: AdminTerminal, tmp_path: Path
) -> None:
    terminal.run("drain")
    terminal.running.create(4, name="n" * 600_000)
    file = exported(terminal, tmp_path / "tasks.jsonl")

    with admin_terminal(tmp_path / "b") as other:
        other.client = BreaksOff
        broken = other.run("import", str(file))
        status = other.json("status")
        other.client = AdminClient
        repeated = other.run("import", str(file), "--beside")
        launched = list(other.running.launcher.launched)

    assert isinstance(broken.exception, UnavailableError)
    assert "all tasks stay held" in broken.stderr
    assert 0 < status["queued"] < 4
    assert status["holds"]
    assert "were there already" in repeated.stdout
    assert launched == []


def damaged(data: bytes) -> dict[str, bytes]:
    lines = data.splitlines(keepends=True)
    return {
        "cut off": data[:-200],
        "without its end": b"".join(lines[:-1]),
        "with a line less": b"".join([*lines[:1], *lines[2:]]),
        "with another byte": data.replace(b"busybox", b"busyb0x", 1)
        if b"busybox" in data
        else data.replace(b"alice", b"alicf", 1),
        "empty": b"",
        "something else": b"hello\n",
    }


def test_a_damaged_file_is_refused_before_anything_is_stored(
    terminal: AdminTerminal, tmp_path: Path
) -> None:
    terminal.run("drain")
    terminal.running.create(2)
    data = exported(terminal, tmp_path / "tasks.jsonl").read_bytes()

    for how, wrong in damaged(data).items():
        file = tmp_path / "wrong.jsonl"
        file.write_bytes(wrong)
        result = terminal.run("import", str(file), "--beside")
        assert isinstance(result.exception, InvalidRequestError), how


def test_an_export_of_what_runs_must_be_wanted(
    terminal: AdminTerminal, tmp_path: Path
) -> None:
    terminal.running.create()
    refused = terminal.run("export", str(tmp_path / "x"))
    live = terminal.run("export", str(tmp_path / "x"), "--live")
    again = terminal.run("export", str(tmp_path / "x"), "--live")

    assert isinstance(refused.exception, ConflictError)
    assert live.stdout.startswith("1 tasks in ")
    assert isinstance(again.exception, InvalidRequestError)


def test_lines_are_refused_while_tasks_may_start(terminal: AdminTerminal) -> None:
    client = AdminClient(terminal.running.channel, "ada")

    with pytest.raises(ConflictError, match="hold all tasks first"):
        client.import_lines([b"{}"])
