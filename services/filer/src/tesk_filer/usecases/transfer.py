"""Runs one transfer: moves files, reports progress, records the result."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import Protocol

from tesk_filer.ports import HaltedError
from tesk_filer.ports.transfers import TransferResult, Transfers
from tesk_filer.usecases.transfer_progress import TransferProgress
from tesk_model.errors import (
    PermissionDeniedError,
    ResourceExhaustedError,
    TeskError,
    UnavailableError,
)


class ExitCode(IntEnum):
    """Exit codes of the filer; see docs/architecture.md."""

    OK = 0
    FAILED = 65  # sysexits.h EX_DATAERR: permanent
    TEMPORARY_FAILURE = 75  # sysexits.h EX_TEMPFAIL: a new attempt may succeed
    STOPPED = 143  # 128 + SIGTERM: no result


class TransferRun(Protocol):
    """Transfers all files of one direction."""

    def run(self) -> TransferResult:
        """Transfer them; raise HaltedError if stopped from outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Runs a transfer and reports its progress and result to the scheduler.

    Attributes:
        halt: Stops the transfer; set by failures and from outside.
        warn: Logs a warning.
        interval: Between two reports of progress.
        conclude: Completes the result before it is recorded.
        renews_token: It is repeated in a new attempt, which has a new token, and not in
            this one.
    """

    transfer_run: TransferRun
    transfers: Transfers
    progress: TransferProgress
    halt: threading.Event
    interval: timedelta
    warn: Callable[[str], None]
    conclude: Callable[[TransferResult], TransferResult] = lambda result: result
    renews_token: bool = False

    def run(self) -> ExitCode:
        """Run the transfer, and return the exit code of the process."""
        ended = threading.Event()
        refusals: list[TeskError] = []
        reporter = threading.Thread(
            target=self._report, args=(ended, refusals), name="progress", daemon=True
        )
        reporter.start()
        try:
            result = self.transfer_run.run()
            ended.set()
            self.transfers.finish(self.conclude(result))
        except HaltedError:
            return self._code_of(refusals[0]) if refusals else ExitCode.STOPPED
        except (UnavailableError, ResourceExhaustedError) as error:
            self.warn(f"the scheduler is unavailable: {error.message}")
            return ExitCode.TEMPORARY_FAILURE
        except TeskError as error:
            self.warn(f"the scheduler refuses this transfer: {error.message}")
            return self._code_of(error)
        finally:
            ended.set()
        return _exit_code(result)

    def _report(self, ended: threading.Event, refusals: list[TeskError]) -> None:
        while not ended.wait(self.interval.total_seconds()):
            try:
                self.transfers.report(self.progress.status())
            except (UnavailableError, ResourceExhaustedError):
                continue  # best effort; the next report replaces it
            except TeskError as error:
                self.warn(f"the scheduler refuses this transfer: {error.message}")
                refusals.append(error)
                self.halt.set()
                return

    def _code_of(self, refusal: TeskError) -> ExitCode:
        """Return the exit code of a transfer that the scheduler refuses."""
        # The key of the tokens was changed.
        has_old_token = isinstance(refusal, PermissionDeniedError)
        may_pass = has_old_token and self.renews_token
        return ExitCode.TEMPORARY_FAILURE if may_pass else ExitCode.FAILED


def _exit_code(result: TransferResult) -> ExitCode:
    if not result.error:
        return ExitCode.OK
    return ExitCode.TEMPORARY_FAILURE if result.transient else ExitCode.FAILED
