"""One transfer from first to last: move, watch, record the verdict."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import Protocol

from tesk_filer.ports import HaltedError, Transfers, Verdict
from tesk_filer.usecases.tally import Tally
from tesk_model.errors import (
    PermissionDeniedError,
    ResourceExhaustedError,
    TeskError,
    UnavailableError,
)


class Ending(IntEnum):
    """Exit codes of the filer; see docs/architecture.md."""

    ARRIVED = 0
    FAILED = 65  # sysexits.h EX_DATAERR: for good
    PASSING = 75  # sysexits.h EX_TEMPFAIL: a new attempt may succeed
    STOPPED = 143  # 128 + SIGTERM: no verdict


class Move(Protocol):
    """Moves all files of one direction."""

    def run(self) -> Verdict:
        """Move them; raise HaltedError if stopped from outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Moves files and keeps the scheduler informed.

    Attributes:
        halt: Stops the move; set by failures and from outside.
        warn: Told of what is worth a line in the log.
        interval: Between two reports of progress.
    """

    move: Move
    transfers: Transfers
    tally: Tally
    halt: threading.Event
    interval: timedelta
    warn: Callable[[str], None]

    def run(self) -> Ending:
        """Move, and return how the process is to end; all errors are in that."""
        ended = threading.Event()
        over: list[TeskError] = []
        reporter = threading.Thread(
            target=self._report, args=(ended, over), name="progress", daemon=True
        )
        reporter.start()
        try:
            verdict = self.move.run()
            ended.set()
            self.transfers.finish(verdict)
        except HaltedError:
            return Ending.FAILED if over else Ending.STOPPED
        except (UnavailableError, ResourceExhaustedError) as error:
            self.warn(f"the scheduler is not reached: {error.message}")
            return Ending.PASSING
        except PermissionDeniedError as error:
            # The key that tokens are made with was changed: a new attempt has a new one.
            self.warn(f"the scheduler refuses this transfer: {error.message}")
            return Ending.PASSING
        except TeskError as error:
            self.warn(f"the scheduler refuses this transfer: {error.message}")
            return Ending.FAILED
        finally:
            ended.set()
        return _ending(verdict)

    def _report(self, ended: threading.Event, over: list[TeskError]) -> None:
        while not ended.wait(self.interval.total_seconds()):
            try:
                self.transfers.report(self.tally.progress())
            except (UnavailableError, ResourceExhaustedError):
                continue  # best effort; the next one says more
            except TeskError as error:
                self.warn(f"the scheduler refuses this transfer: {error.message}")
                over.append(error)
                self.halt.set()
                return


def _ending(verdict: Verdict) -> Ending:
    if not verdict.error:
        return Ending.ARRIVED
    return Ending.PASSING if verdict.transient else Ending.FAILED
