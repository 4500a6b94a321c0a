"""The files of a run, on a machine that lacks something for a moment."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders.tasks import make_executor
from tesk_model.names import Attempt
from tesk_model.task import TaskId
from tesk_taskmaster.adapters.container import files as run_files
from tesk_taskmaster.adapters.container.files import RunFiles
from tesk_taskmaster.domain.executor_run import ExecutorRun
from tesk_taskmaster.domain.plan import ExecutorStep
from tesk_taskmaster.domain.termination import Report

REPORT = (
    '{"exit_code":0,"signal":0,"terminated":false,"started_at":"2026-01-01T00:00:00Z",'
    '"ended_at":"2026-01-08T00:00:00Z","max_rss_bytes":1,"cpu_seconds":1.0}\n'
)


class Repair(logging.Handler):
    """Makes a report readable as soon as somebody has failed to read it."""

    def __init__(self, report: Path) -> None:
        super().__init__()
        self.report = report

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == "report not read":
            self.report.unlink()
            self.report.write_text(REPORT)


@pytest.fixture
def report(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "report"
    repair = Repair(file)
    logger = logging.getLogger(run_files.__name__)
    logger.addHandler(repair)
    yield file
    logger.removeHandler(repair)


def make_run(folder: Path) -> ExecutorRun:
    return ExecutorRun(
        name="tesk-t1-a1-x0",
        attempt=Attempt(TaskId("t1"), 1),
        step=ExecutorStep(index=0, executor=make_executor(), mounts=()),
        mounts=(),
        folder=folder,
        volume=folder,
        cpu_cores=1,
        ram=1,
    )


def test_a_report_that_cannot_be_read_for_a_moment_is_not_lost(report: Path) -> None:
    report.symlink_to(report)  # an error of the system as any other

    found = RunFiles(make_run(report.parent)).report()

    assert isinstance(found, Report)
    assert found.exit_code == 0


def test_a_report_that_is_not_there_is_not_waited_for(tmp_path: Path) -> None:
    assert RunFiles(make_run(tmp_path)).report() is None
