"""An engine that records runs and does not run them."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path

from tesk_model.names import Attempt
from tesk_runtime.removal import remove_tree
from tesk_taskmaster.domain.executor_run import ExecutorRun
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.ports import ReportReason, Tails


class RecordingEngine:
    """Takes runs and does nothing with them."""

    def __init__(self) -> None:
        self.runs: list[ExecutorRun] = []

    def notices(self) -> Sequence[str]:
        return ()

    def start(
        self,
        run: ExecutorRun,
        report_reason: ReportReason,
        *,
        has_started: bool = False,
    ) -> None:
        del report_reason, has_started
        self.runs.append(run)

    def wait(self, run: ExecutorRun, timeout: timedelta) -> StepResult | None:
        del run, timeout
        return StepResult(exit_code=0)

    def occupied_directories(
        self,
        attempt: Attempt,
        image: str,
        directories: Sequence[str],
        report_reason: ReportReason,
    ) -> Collection[str]:
        del attempt, image, directories, report_reason
        return ()

    def image_digest(self, image: str, report_reason: ReportReason) -> str:
        del image, report_reason
        return ""

    def tails(self, run: ExecutorRun) -> Tails:
        del run
        return Tails(b"", b"")

    def stop(self, run: ExecutorRun, grace: timedelta) -> None:
        del run, grace

    def remove(self, attempt: Attempt) -> None:
        del attempt

    def attempts(self) -> Sequence[Attempt]:
        return ()

    def delete_folder(self, folder: Path) -> None:
        remove_tree(folder)
