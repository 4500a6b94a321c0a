"""Runs executors in bubblewrap with the programs of this machine.

Images are not used. A run is a detached process in the run's folder:

| file | what it is |
|---|---|
| ``root/`` | the temporary root |
| ``stdout``, ``stderr`` | streams that are not redirected |
| ``status`` | written by bubblewrap: first process, exit code |
| ``shown`` | paths of this machine in the root, which are not collected |
| ``usage`` | what it had used when it was last looked at: CPU seconds, bytes |
| ``verdict`` | exit code and message of a command that never started |
| ``network``, ``connected``, ``resolv.conf`` | see ``network`` |
| ``lock``, ``pid``, ``exit``, ``stopped`` | see ``detached_process`` |
"""

import errno
import os
import signal
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from tesk_model.names import Attempt
from tesk_model.reasons import ReasonCode
from tesk_runtime.removal import remove_tree
from tesk_taskmaster.adapters.detached_process import (
    GATE_FD,
    DetachedProcess,
    LaunchSpec,
)
from tesk_taskmaster.adapters.mount_sources import refuse_links
from tesk_taskmaster.adapters.sandbox.bubblewrap import (
    CLEAN_ENVIRON,
    NAMESPACES,
    NO_NETWORK,
    StartFailure,
    write_arguments,
)
from tesk_taskmaster.adapters.sandbox.init import SandboxInit
from tesk_taskmaster.adapters.sandbox.layout import prepare_root
from tesk_taskmaster.adapters.sandbox.mount_aliases import MOUNTS, find_aliases
from tesk_taskmaster.adapters.sandbox.network import (
    NetworkError,
    UserNetwork,
    waits_for_network,
)
from tesk_taskmaster.adapters.sandbox.private_files import PrivateFiles
from tesk_taskmaster.adapters.sandbox.result import sandbox_result
from tesk_taskmaster.adapters.sandbox.start_failure import (
    NOT_STARTED,
    read_start_failure,
    write_start_failure,
)
from tesk_taskmaster.adapters.sandbox.streams import (
    StreamError,
    Streams,
    open_streams,
    tail,
)
from tesk_taskmaster.adapters.sandbox.usage import read_usage, write_usage
from tesk_taskmaster.adapters.task_folders import TaskFolders
from tesk_taskmaster.domain.executor_run import ExecutorRun
from tesk_taskmaster.domain.step_names import title_of
from tesk_taskmaster.domain.termination import StepResult, format_loss
from tesk_taskmaster.ports import ReportReason, StepFailedError, Tails

_NOTICE = (
    "the sandbox engine ran this with the programs of this machine: images were "
    "not used, and limits on cpu and memory not enforced"
)
_NO_NETWORK = (
    "the sandbox engine gives no network to commands; TESK_NETWORK=host gives them "
    "this machine's, and TESK_NETWORK=loopback-free one of their own where "
    "slirp4netns or pasta (passt) is installed"
)
_RECORD_TIMEOUT = timedelta(seconds=1)


@dataclass(slots=True)
class SandboxEngine:
    """Runs executors in bubblewrap; see the ``Engine`` port."""

    _program: Path
    _folders: TaskFolders
    _programs: tuple[str, ...] = ()
    _private: PrivateFiles | None = None
    hidden: tuple[str, ...] = ()
    has_network: bool = False
    network: UserNetwork | None = None
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _processes: dict[Path, DetachedProcess] = field(default_factory=dict)

    def notices(self) -> Sequence[str]:
        """See ``Engine.notices``."""
        has_network = self.has_network or self.network is not None
        return [_NOTICE] if has_network else [_NOTICE, _NO_NETWORK]

    def start(
        self,
        run: ExecutorRun,
        report_reason: ReportReason,  # noqa: ARG002 - of the port; starting is fast
        *,
        has_started: bool = False,
    ) -> None:
        """See ``Engine.start``."""
        process = self._process(run.folder)
        if read_start_failure(run) is not None:
            return
        if process.was_started():
            if process.is_stopped() or not waits_for_network(run.folder):
                process.open_gate()  # in case a predecessor did not open it
                return
            _kill(process)  # its command has not begun
            process.reset()
        elif has_started:
            raise StepFailedError(
                format_loss(title_of(run.step.name), "its files were deleted"),
                code=ReasonCode.STEP_VANISHED,
                lost=True,
            )
        refuse_links(run)
        try:
            self._start(run, process)
        except StreamError as error:
            write_start_failure(run, StartFailure(NOT_STARTED, str(error)))
        except OSError as error:
            if error.errno != errno.E2BIG:
                raise
            name = run.step.executor.command[0]
            message = f"{name}: not executable: {error.strerror}"
            write_start_failure(run, StartFailure(126, message))
        except ValueError as error:
            raise StepFailedError(f"{run.name}: {error}") from error

    def image_digest(
        self,
        image: str,  # noqa: ARG002 - of the port; images are not used
        report_reason: ReportReason,  # noqa: ARG002 - likewise
    ) -> str:
        """See ``Engine.image_digest``; programs of this machine have none."""
        return ""

    def occupied_directories(
        self,
        attempt: Attempt,  # noqa: ARG002 - of the port; images are not used
        image: str,  # noqa: ARG002 - likewise
        directories: Sequence[str],  # noqa: ARG002 - likewise
        report_reason: ReportReason,  # noqa: ARG002 - likewise
    ) -> Collection[str]:
        """See ``Engine.occupied_directories``; images are not used."""
        return ()

    def wait(self, run: ExecutorRun, timeout: timedelta) -> StepResult | None:
        """See ``Engine.wait``."""
        failure = read_start_failure(run)
        if failure is not None:
            return StepResult(exit_code=failure.exit_code)
        process = self._process(run.folder)
        end = process.wait(timeout)
        if end is None:
            _keep_usage(run.folder)
            return None
        _kill(process)  # processes that a dead leader may have left
        return sandbox_result(run, end)

    def tails(self, run: ExecutorRun) -> Tails:
        """See ``Engine.tails``."""
        executor = run.step.executor
        redirect = None if read_start_failure(run) is not None else executor.stderr
        return Tails(
            tail(run, executor.stdout, "stdout"), tail(run, redirect, "stderr")
        )

    def stop(self, run: ExecutorRun, grace: timedelta) -> None:
        """See ``Engine.stop``."""
        process = self._process(run.folder)
        if not process.is_alive():
            return
        process.mark_stopped()
        init = SandboxInit(run.folder)
        if init.signal(signal.SIGTERM) and process.wait(grace) is None:
            init.kill()
            process.wait(_RECORD_TIMEOUT)  # until its end is recorded
        _kill(process)

    def remove(self, attempt: Attempt) -> None:
        """See ``Engine.remove``; the files go with the folder of the attempt."""
        for folder in self._folders.steps(attempt):
            process = self._process(folder)
            _kill(process)
            with self._guard:
                self._processes.pop(folder, None)

    def attempts(self) -> Sequence[Attempt]:
        """See ``Engine.attempts``; all state is in the folders of attempts."""
        return ()

    def delete_folder(self, folder: Path) -> None:
        """See ``Engine.delete_folder``: executors run under the same uid."""
        remove_tree(folder)

    def _process(self, folder: Path) -> DetachedProcess:
        with self._guard:
            return self._processes.setdefault(folder, DetachedProcess(folder))

    def _start(self, run: ExecutorRun, process: DetachedProcess) -> None:
        replaced = {} if self.network is None else self.network.replacements(run.folder)
        arguments = [
            *NAMESPACES,
            *(() if self.has_network else NO_NETWORK),
            # The parent is the leader, which outlives this process.
            "--die-with-parent",
            *prepare_root(run, self._programs, self._concealed_paths(), replaced),
        ]
        status = os.open(
            run.folder / "status",
            os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC,
            0o600,
        )
        try:
            arguments_fd = write_arguments(arguments)
            try:
                with open_streams(run) as streams:
                    process.start(self._launch(run, streams, (status, arguments_fd)))
            finally:
                os.close(arguments_fd)
        finally:
            os.close(status)
        if self.network is not None:
            self._connect(self.network, run, process)

    @staticmethod
    def _connect(
        network: UserNetwork, run: ExecutorRun, process: DetachedProcess
    ) -> None:
        try:
            network.connect(process)
        except NetworkError as error:
            if process.wait(_RECORD_TIMEOUT) is None:  # else its result says more
                _kill(process)
                cause = f"it got no network: {error}"
                message = format_loss(title_of(run.step.name), cause)
                raise StepFailedError(
                    message, code=ReasonCode.CONTAINER_START_FAILED, lost=True
                ) from error

    def _concealed_paths(self) -> frozenset[str]:
        """Return the paths to conceal: TESK's own, and those that only root may read."""
        mounts = MOUNTS.read_text("utf-8")
        own = (self._folders.home, *map(Path, self.hidden))
        names = {name for path in own for name in find_aliases(path, mounts)}
        private = () if self._private is None else self._private.paths()
        return frozenset((*names, *private))

    def _launch(
        self, run: ExecutorRun, streams: Streams, pass_fds: tuple[int, int]
    ) -> LaunchSpec:
        def arguments(lock: int, more: Sequence[int]) -> Sequence[str]:
            status, arguments_fd = more
            gate = () if self.network is None else ("--block-fd", str(GATE_FD))
            return [
                *(str(self._program), "--sync-fd", str(lock), *gate),
                *("--json-status-fd", str(status), "--args", str(arguments_fd), "--"),
                *run.step.executor.command,
            ]

        return LaunchSpec(
            environ=CLEAN_ENVIRON,
            streams=streams.ends,
            pass_fds=pass_fds,
            copies=streams.copies,
            arguments=arguments,
            gated=self.network is not None,
        )


def _keep_usage(folder: Path) -> None:
    """Note what a running sandbox has used: nobody tells it afterwards."""
    usage = SandboxInit(folder).usage()
    if usage is not None:
        before = read_usage(folder)
        write_usage(folder, before.followed_by(usage) if before else usage)


def _kill(process: DetachedProcess) -> None:
    """Kill all processes of a run and return when they have ended."""
    init = SandboxInit(process.folder)
    process.kill(init.kill)
    init.wait_ended()
