"""Transfers are shown as a bar on a terminal, as few lines elsewhere."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from tesk_cli.adapters.tes_json import snapshot_from_live
from tesk_cli.cli.transfer_bar import transfer_bar
from tesk_cli.domain.changes import format_changes
from tesk_cli.domain.snapshot import Snapshot
from tesk_cli.domain.transfer_lines import share_of
from tesk_model.states import TaskState
from tesk_model.task import TransferStatus

MIB = 2**20
STATUS = TransferStatus(
    direction="inputs",
    files_done=1,
    files_total=2,
    bytes_done=30 * MIB,
    bytes_total=100 * MIB,
    bytes_per_second=5 * MIB,
    path="/data/genome.fa",
    url="s3://bucket/genome.fa",
)
TASK = Snapshot(id="t", state=TaskState.INITIALIZING)


def moving(status: TransferStatus) -> Snapshot:
    """Return a task with a transfer, as a server tells it."""
    return replace(TASK, transfers=(status,), metadata={"inputs": f"{status}"})


def printed(status: TransferStatus) -> str:
    file = io.StringIO()
    Console(file=file, width=200, force_terminal=True, color_system=None).print(
        transfer_bar(status)
    )
    return file.getvalue()


def test_a_line_is_printed_for_each_tenth_of_a_transfer() -> None:
    first = moving(STATUS)
    same = moving(replace(STATUS, bytes_done=39 * MIB))
    next_tenth = moving(replace(STATUS, bytes_done=40 * MIB))

    assert format_changes(TASK, first) == [
        "inputs: 1 of 2 files, 30 MiB of 100 MiB, 5 MiB/s"
    ]
    assert format_changes(first, same) == []
    assert format_changes(same, next_tenth) == [
        "inputs: 1 of 2 files, 40 MiB of 100 MiB, 5 MiB/s"
    ]


def test_a_transfer_of_an_unknown_size_has_a_line_for_each_doubling() -> None:
    tasks = [
        moving(TransferStatus(direction="inputs", files_done=done))
        for done in range(1, 101)
    ]

    pairs = zip([TASK, *tasks], tasks, strict=False)
    lines = [line for pair in pairs for line in format_changes(*pair)]

    assert len(lines) == 7


def test_a_transfer_that_has_ended_is_told_once() -> None:
    ended = replace(
        TASK,
        metadata={"inputs": "2 files, 100 MiB", "node": "n"},
        system_logs=("inputs: 2 files, 100 MiB in 20 s (5 MiB/s)",),
    )

    assert format_changes(moving(STATUS), ended) == [
        "node: n",
        "note: inputs: 2 files, 100 MiB in 20 s (5 MiB/s)",
    ]


def test_no_lines_of_transfers_are_printed_beside_a_bar() -> None:
    assert format_changes(TASK, moving(STATUS), transfers=False) == []


SHARES = {
    "of bytes": (STATUS, 0.3),
    "of files if bytes are not known": (replace(STATUS, bytes_total=0), 0.5),
    "more than was announced": (replace(STATUS, bytes_done=900 * MIB), 1.0),
    "unknown": (TransferStatus(direction="inputs"), None),
}


@pytest.mark.parametrize(("status", "want"), SHARES.values(), ids=SHARES)
def test_the_share_that_is_done(status: TransferStatus, want: float | None) -> None:
    assert share_of(status) == want


def test_the_bar_shows_numbers_and_the_file() -> None:
    text = printed(STATUS)

    assert "1 of 2 files, 30 MiB of 100 MiB, 5 MiB/s" in text
    assert "/data/genome.fa  s3://bucket/genome.fa" in text
    assert "━" in text


def test_names_do_not_reach_the_terminal_as_sequences() -> None:
    text = printed(
        replace(STATUS, path="/\x1b[2J", url="s3://b/\u202e", direction="\a")
    )

    assert not [each for each in ("\x1b[2J", "\u202e", "\a") if each in text]
    assert r"\x1b[2J" in text


def test_transfers_are_read_from_the_live_view() -> None:
    live = {
        "id": "t",
        "state": "INITIALIZING",
        "transfers": [{"direction": "inputs", "bytes_done": "7", "path": "/a"}],
    }

    assert snapshot_from_live(live).transfers == (
        TransferStatus(direction="inputs", bytes_done=7, path="/a"),
    )
