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

REFUSALS = {
    "its token is of another key": (
        PermissionDeniedError("no"),
        ExitCode.TEMPORARY_FAILURE,
    ),
    "the attempt is over": (ConflictError("over"), ExitCode.FAILED),
}


class Moving:
    """Moves files until it is stopped."""

    def __init__(self, halt: threading.Event) -> None:
        self.halt = halt

    def run(self) -> TransferResult:
        assert self.halt.wait(20)
        raise HaltedError


@pytest.mark.parametrize(("error", "want"), REFUSALS.values(), ids=REFUSALS)
def test_it_stops_and_a_new_attempt_follows_if_that_has_another_token(
    error: TeskError, want: ExitCode
) -> None:
    halt, told = threading.Event(), list[str]()
    transfer = Transfer(
        transfer_run=Moving(halt),
        transfers=MemoryTransfers(error=error),
        progress=TransferProgress("inputs", halt, clock=lambda: 0.0),
        halt=halt,
        interval=timedelta(milliseconds=1),
        warn=told.append,
    )

    assert transfer.run() is want
    assert told == [f"the scheduler refuses this transfer: {error.message}"]
