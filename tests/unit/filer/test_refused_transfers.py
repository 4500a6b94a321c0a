"""A transfer that the scheduler refuses while files move."""

import threading
from datetime import timedelta

import pytest

from fakes.filer_transfers import MemoryTransfers
from tesk_filer.ports import HaltedError
from tesk_filer.ports.transfers import TransferResult
from tesk_filer.usecases.transfer import ExitCode, Transfer
from tesk_filer.usecases.transfer_progress import TransferProgress
from tesk_model.errors import ConflictError, PermissionDeniedError, TeskError

OLD_TOKEN = PermissionDeniedError("no")
REFUSALS = {
    "its token is of another key, and a new attempt has a new one": (
        OLD_TOKEN,
        True,
        ExitCode.TEMPORARY_FAILURE,
    ),
    "its token is of another key, as it is at each try": (
        OLD_TOKEN,
        False,
        ExitCode.FAILED,
    ),
    "the attempt is over": (ConflictError("over"), True, ExitCode.FAILED),
}


class Moving:
    """Moves files until it is stopped."""

    def __init__(self, halt: threading.Event) -> None:
        self.halt = halt

    def run(self) -> TransferResult:
        assert self.halt.wait(20)
        raise HaltedError


@pytest.mark.parametrize(
    ("error", "renews_token", "want"), REFUSALS.values(), ids=REFUSALS
)
def test_it_stops_and_is_repeated_only_with_another_token(
    error: TeskError,
    renews_token: bool,
    want: ExitCode,
) -> None:
    halt, told = threading.Event(), list[str]()
    transfer = Transfer(
        transfer_run=Moving(halt),
        transfers=MemoryTransfers(error=error),
        progress=TransferProgress("inputs", halt, clock=lambda: 0.0),
        halt=halt,
        interval=timedelta(milliseconds=1),
        warn=told.append,
        renews_token=renews_token,
    )

    assert transfer.run() is want
    assert told == [f"the scheduler refuses this transfer: {error.message}"]
