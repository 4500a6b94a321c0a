"""Runs steps on this machine: filers as processes, executors in an engine.

Attempts without a holder are not removed at the start of a taskmaster: another one
may hold them, or be about to. The scheduler keeps an attempt assigned until it is
reported as released, and reassigns those of a dead taskmaster.
"""

import os
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from tesk_model.names import Attempt
from tesk_model.reasons import Reason, ReasonCode
from tesk_runtime.file_lock import FileLock
from tesk_runtime.rooted_files import RootedFiles
from tesk_taskmaster.adapters.detached_process import DetachedProcess
from tesk_taskmaster.adapters.local.filer_process import FilerProcesses, token_file
from tesk_taskmaster.adapters.local.leftovers import Leftovers
from tesk_taskmaster.adapters.local.references import (
    NO_REFERENCES,
    ReferenceFolders,
    make_mount_points,
)
from tesk_taskmaster.adapters.local.runs import make_run
from tesk_taskmaster.adapters.task_folders import TaskFolders, is_transient
from tesk_taskmaster.domain.executor_run import ExecutorRun
from tesk_taskmaster.domain.layouts import LayoutChoice
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.step_names import INPUTS, direction_of, executor_of
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.ports import (
    Engine,
    LeftoversError,
    ReportReason,
    StepFailedError,
    Tails,
)

_DIRECTORY_MODE = 0o777  # writable by any uid that an image uses
_STILL_OWNED = Reason(
    ReasonCode.TASKMASTER_STARTING, "waiting for its former taskmaster to release it"
)


class LocalRuntime:
    """The runtime of one machine; see the port."""

    def __init__(
        self,
        folders: TaskFolders,
        engine: Engine,
        filers: FilerProcesses,
        *,
        references: ReferenceFolders = NO_REFERENCES,
    ) -> None:
        """Keep attempts in ``task_folders`` and run executors in ``engine``."""
        self._references = references
        self._leftovers = Leftovers(folders.leftovers, engine.delete_folder)
        self._folders = folders
        self._engine = engine
        self._filers = filers
        self._guard = threading.Lock()
        self._plans: dict[Attempt, Plan] = {}
        self._locks: dict[Attempt, FileLock] = {}
        self._filer_processes: dict[tuple[Attempt, str], DetachedProcess] = {}

    @property
    def leftovers(self) -> Leftovers:
        """Folders of ended attempts that could not be removed."""
        return self._leftovers

    def notices(self) -> Sequence[str]:
        """See ``Runtime.notices``."""
        return self._engine.notices()

    def prepare(
        self, plan: Plan, transfer_token: str, report_reason: ReportReason
    ) -> None:
        """See ``Runtime.prepare``."""
        attempt = plan.attempt
        with _failures("the task volume cannot be made"):
            self._lock_attempt(attempt, report_reason)
            self._check_boot(attempt)
            _write_secret(token_file(self._folders, attempt), transfer_token)
            volume = self._folders.volume(attempt)
            _make_directory(volume)
            tree = RootedFiles(volume)
            for directory in plan.directories:
                os.close(tree.open_directory(directory, create=True))
        with self._guard:
            self._plans[attempt] = plan

    def layout(self, plan: Plan) -> LayoutChoice | None:
        """See ``Runtime.layout``."""
        del plan
        return None

    def needs_fitted_plan(self, attempt: Attempt) -> bool:
        """See ``Runtime.needs_fitted_plan``."""
        del attempt
        return False

    def begin_inspection(
        self,
        plan: Plan,
        directories: Mapping[int, Sequence[str]],
        report_reason: ReportReason,
    ) -> None:
        """See ``Runtime.begin_inspection``; an inspection is fast here."""

    def inspect_image(
        self,
        plan: Plan,
        index: int,
        directories: Sequence[str],
        report_reason: ReportReason,
    ) -> Collection[str]:
        """See ``Runtime.inspect_image``."""
        image = plan.executors[index].executor.image
        return self._engine.occupied_directories(
            plan.attempt, image, directories, report_reason
        )

    def image_digest(
        self,
        plan: Plan,
        index: int,
        directories: Sequence[str],
        report_reason: ReportReason,
    ) -> str:
        """See ``Runtime.image_digest``."""
        del directories
        image = plan.executors[index].executor.image
        return self._engine.image_digest(image, report_reason)

    def start(
        self,
        plan: Plan,
        step: str,
        report_reason: ReportReason,
        *,
        has_started: bool = False,
    ) -> None:
        """See ``Runtime.start``."""
        with _failures(f"step {step} cannot be started"):
            if step == INPUTS and plan.executors:
                # All executors have the same; this is before hours of transfer.
                self._references.mounts(plan.executors[0].references)
            if direction_of(step):
                process = self._filer(plan.attempt, step)
                self._filers.start(process, plan.attempt, step)
                return
            with self._guard:
                # With the inspected mounts of this step.
                self._plans[plan.attempt] = plan
            run = make_run(self._folders, plan, plan.executors[executor_of(step)])
            run.folder.mkdir(parents=True, exist_ok=True)
            tree = RootedFiles(run.volume)
            for mount in run.step.mounts:
                if not mount.is_file:
                    os.close(tree.open_directory(mount.path, create=True))
            make_mount_points(run.step, run.volume)
            run = replace(run, references=self._references.mounts(run.step.references))
            self._engine.start(run, report_reason, has_started=has_started)

    def wait(
        self, attempt: Attempt, step: str, timeout: timedelta
    ) -> StepResult | None:
        """See ``Runtime.wait``."""
        if direction_of(step):
            return self._filers.wait(self._filer(attempt, step), step, timeout)
        return self._engine.wait(self._known_run(attempt, step), timeout)

    def conclude(self, attempt: Attempt, direction: str) -> None:
        """See ``Runtime.conclude``; the end of a process is seen at once."""

    def tails(self, attempt: Attempt, step: str) -> Tails:
        """See ``Runtime.tails``."""
        return self._engine.tails(self._known_run(attempt, step))

    def stop(self, attempt: Attempt, step: str, grace: timedelta) -> None:
        """See ``Runtime.stop``."""
        if direction_of(step):
            self._filers.stop(self._filer(attempt, step), grace)
        elif attempt in self._plans:
            self._engine.stop(self._known_run(attempt, step), grace)

    def detach(self, attempt: Attempt) -> None:
        """See ``Runtime.detach``."""
        with self._guard:
            self._plans.pop(attempt, None)
            lock = self._locks.pop(attempt, None)
            for key in [key for key in self._filer_processes if key[0] == attempt]:
                del self._filer_processes[key]
        if lock is not None:
            lock.release()

    def release(self, attempt: Attempt) -> None:
        """See ``Runtime.release``."""
        folder = self._folders.attempt(attempt)
        with _failures("the task's files cannot be removed"):
            if folder.exists():
                self._lock_attempt(attempt, lambda _reason: None)
                for step in self._folders.steps(attempt):
                    if direction_of(step.name):
                        self._filer(attempt, step.name).kill()
            self._engine.remove(attempt)
        self._delete_folder(folder)
        self.detach(attempt)

    def defer_removal(self, attempt: Attempt) -> None:
        """See ``Runtime.defer_removal``."""
        self._leftovers.add(self._folders.attempt(attempt))
        self.detach(attempt)

    def existing_steps(
        self,
        attempt: Attempt,
        report_reason: ReportReason,  # noqa: ARG002 - of the port; nothing is waited for
    ) -> Sequence[str]:
        """See ``Runtime.existing_steps``."""
        return [folder.name for folder in self._folders.steps(attempt)]

    def _delete_folder(self, folder: Path) -> None:
        if not folder.exists():
            return
        try:
            self._engine.delete_folder(folder)
        except (OSError, StepFailedError) as error:
            # The message shows only paths of the task itself.
            reason = str(error).replace(f"{folder}/", "")
            raise LeftoversError(reason) from error

    def has_objects(
        self,
        attempt: Attempt,
        report_reason: ReportReason,  # noqa: ARG002 - of the port; nothing is waited for
    ) -> bool:
        """See ``Runtime.has_objects``."""
        has_folder = self._folders.attempt(attempt).exists()
        return has_folder or attempt in self._engine.attempts()

    def _lock_attempt(self, attempt: Attempt, report_reason: ReportReason) -> None:
        with self._guard:
            lock = self._locks.get(attempt)
            if lock is None:
                lock = FileLock(self._folders.attempt(attempt) / "lock")
                self._locks[attempt] = lock
        self._folders.attempt(attempt).mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire(lambda: report_reason(_STILL_OWNED))

    def _check_boot(self, attempt: Attempt) -> None:
        """Refuse a volume from before a restart of the machine.

        Files that were not on the disk yet may be truncated now.
        """
        file = self._folders.attempt(attempt) / "boot"
        if not file.exists():
            file.write_text(self._folders.boot, "utf-8")
        elif file.read_text("utf-8") != self._folders.boot:
            raise StepFailedError(
                "this machine was restarted", code=ReasonCode.NODE_LOST, lost=True
            )

    def _filer(self, attempt: Attempt, step: str) -> DetachedProcess:
        with self._guard:
            key = (attempt, step)
            if key not in self._filer_processes:
                self._filer_processes[key] = DetachedProcess(
                    self._folders.step(attempt, step)
                )
            return self._filer_processes[key]

    def _known_run(self, attempt: Attempt, step: str) -> ExecutorRun:
        with self._guard:
            plan = self._plans[attempt]
        return make_run(self._folders, plan, plan.executors[executor_of(step)])


def _make_directory(path: Path) -> None:
    path.mkdir(exist_ok=True)
    path.chmod(_DIRECTORY_MODE)


def _write_secret(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with open(os.open(part, flags, 0o600), "w", encoding="ascii") as file:  # noqa: PTH123 - of a descriptor
        file.write(text)
    part.replace(path)


@contextmanager
def _failures(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StepFailedError(f"{what}: {reason}", lost=is_transient(error)) from error
