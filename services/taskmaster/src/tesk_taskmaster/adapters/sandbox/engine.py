"""The engine without containers: bubblewrap and this machine's programs.

Images are not used. A run is a detached process in the run's folder:

| file | what it is |
|---|---|
| ``root/`` | the throw-away root |
| ``stdout``, ``stderr`` | streams that are not redirected |
| ``status`` | what bubblewrap says: first process, exit code |
| ``shown`` | what of this machine is in the root, and is not collected |
| ``verdict`` | exit code and message of a command that never started |
| ``network``, ``connected``, ``resolv.conf`` | see ``network`` |
| ``lock``, ``pid``, ``exit``, ``stopped`` | see ``detached`` |
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
from tesk_taskmaster.adapters.detached import GATE, DetachedProcess, Launch
from tesk_taskmaster.adapters.folders import TaskFolders
from tesk_taskmaster.adapters.mount_sources import refuse_links
from tesk_taskmaster.adapters.sandbox.bubblewrap import (
    CLEAN_ENVIRON,
    NAMESPACES,
    NO_NETWORK,
    ExecFailure,
    write_arguments,
)
from tesk_taskmaster.adapters.sandbox.hidden import MOUNTS, hidden_names
from tesk_taskmaster.adapters.sandbox.init import SandboxInit
from tesk_taskmaster.adapters.sandbox.layout import lay_out
from tesk_taskmaster.adapters.sandbox.network import (
    NetworkError,
    UserNetwork,
    waits_for_network,
)
from tesk_taskmaster.adapters.sandbox.outcome import sandbox_result
from tesk_taskmaster.adapters.sandbox.private import PrivateFiles
from tesk_taskmaster.adapters.sandbox.streams import (
    StreamError,
    Streams,
    open_streams,
    tail,
)
from tesk_taskmaster.adapters.sandbox.verdict import (
    NOT_STARTED,
    read_verdict,
    write_verdict,
)
from tesk_taskmaster.domain.step_names import title_of
from tesk_taskmaster.domain.termination import StepResult, format_loss
from tesk_taskmaster.ports import ExecutorRun, ReportReason, StepFailedError, Tails

_NOTE = (
    "the sandbox engine ran this with the programs of this machine: images were "
    "not used, and limits on cpu and memory not enforced"
)
_NO_NETWORK = (
    "the sandbox engine gives no network to commands; TESK_NETWORK=host gives them "
    "this machine's, and TESK_NETWORK=loopback-free one of their own where "
    "slirp4netns or pasta (passt) is installed"
)
_RECORDING = timedelta(seconds=1)


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

    def notes(self) -> Sequence[str]:
        """See ``Engine.notes``."""
        has_network = self.has_network or self.network is not None
        return [_NOTE] if has_network else [_NOTE, _NO_NETWORK]

    def start(
        self,
        run: ExecutorRun,
        report_reason: ReportReason,  # noqa: ARG002 - of the port; nothing here takes long
        *,
        has_started: bool = False,
    ) -> None:
        """See ``Engine.start``."""
        process = self._process(run.folder)
        if read_verdict(run) is not None:
            return
        if process.is_known():
            if process.is_stopped() or not waits_for_network(run.folder):
                process.open_gate()  # if it was about to be opened
                return
            _kill(process)  # its command has not begun
            process.forget()
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
            write_verdict(run, ExecFailure(NOT_STARTED, str(error)))
        except OSError as error:
            if error.errno != errno.E2BIG:
                raise
            name = run.step.executor.command[0]
            message = f"{name}: not executable: {error.strerror}"
            write_verdict(run, ExecFailure(126, message))
        except ValueError as error:
            raise StepFailedError(f"{run.name}: {error}") from error

    def occupied_directories(
        self,
        attempt: Attempt,  # noqa: ARG002 - of the port; there are no images here
        image: str,  # noqa: ARG002 - likewise
        directories: Sequence[str],  # noqa: ARG002 - likewise
        report_reason: ReportReason,  # noqa: ARG002 - likewise
    ) -> Collection[str]:
        """See ``Engine.occupied_directories``; what of this machine is shown is not hidden."""
        return ()

    def wait(self, run: ExecutorRun, timeout: timedelta) -> StepResult | None:
        """See ``Engine.wait``."""
        verdict = read_verdict(run)
        if verdict is not None:
            return StepResult(exit_code=verdict.exit_code)
        process = self._process(run.folder)
        end = process.wait(timeout)
        if end is None:
            return None
        _kill(process)  # what a dead leader may have left
        return sandbox_result(run, end)

    def tails(self, run: ExecutorRun) -> Tails:
        """See ``Engine.tails``."""
        executor = run.step.executor
        redirect = None if read_verdict(run) is not None else executor.stderr
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
            process.wait(_RECORDING)  # its end is written down before
        _kill(process)

    def remove(self, attempt: Attempt) -> None:
        """See ``Engine.remove``; the files go with the folder of the attempt."""
        for folder in self._folders.steps(attempt):
            process = self._process(folder)
            _kill(process)
            with self._guard:
                self._processes.pop(folder, None)

    def attempts(self) -> Sequence[Attempt]:
        """Nothing is held that does not lie in the folders of attempts."""
        return ()

    def delete_folder(self, folder: Path) -> None:
        """See ``Engine.delete_folder``: all that executors make here is ours."""
        remove_tree(folder)

    def _process(self, folder: Path) -> DetachedProcess:
        with self._guard:
            return self._processes.setdefault(folder, DetachedProcess(folder))

    def _start(self, run: ExecutorRun, process: DetachedProcess) -> None:
        replaced = {} if self.network is None else self.network.replace(run.folder)
        arguments = [
            *NAMESPACES,
            *(() if self.has_network else NO_NETWORK),
            # The parent is the leader, which outlives us: see ``detached``.
            "--die-with-parent",
            *lay_out(run, self._programs, self._concealed(), replaced),
        ]
        status = os.open(
            run.folder / "status",
            os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC,
            0o600,
        )
        try:
            told = write_arguments(arguments)
            try:
                with open_streams(run) as streams:
                    process.start(self._launch(run, streams, (status, told)))
            finally:
                os.close(told)
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
            if process.wait(_RECORDING) is None:  # else its end tells more
                _kill(process)
                cause = f"it got no network: {error}"
                message = format_loss(title_of(run.step.name), cause)
                raise StepFailedError(
                    message, code=ReasonCode.CONTAINER_START_FAILED, lost=True
                ) from error

    def _concealed(self) -> frozenset[str]:
        """Return what no sandbox shows: what is ours, and what only root may read."""
        mounts = MOUNTS.read_text("utf-8")
        ours = (self._folders.home, *map(Path, self.hidden))
        names = {name for place in ours for name in hidden_names(place, mounts)}
        private = () if self._private is None else self._private.paths()
        return frozenset((*names, *private))

    def _launch(
        self, run: ExecutorRun, streams: Streams, passed: tuple[int, int]
    ) -> Launch:
        def arguments(lock: int, more: Sequence[int]) -> Sequence[str]:
            status, told = more
            gate = () if self.network is None else ("--block-fd", str(GATE))
            return [
                *(str(self._program), "--sync-fd", str(lock), *gate),
                *("--json-status-fd", str(status), "--args", str(told), "--"),
                *run.step.executor.command,
            ]

        return Launch(
            environ=CLEAN_ENVIRON,
            streams=streams.ends,
            passed=passed,
            copies=streams.copies,
            arguments=arguments,
            gated=self.network is not None,
        )


def _kill(process: DetachedProcess) -> None:
    """Kill what is left of a run and return when nothing is."""
    init = SandboxInit(process.folder)
    process.kill(init.kill)
    init.wait_gone()
