"""The engine without containers: bubblewrap and this machine's programs.

Images are not used. A run is a detached process in the run's folder:

| file | what it is |
|---|---|
| ``root/`` | the throw-away root |
| ``stdout``, ``stderr`` | streams that are not redirected |
| ``status`` | what bubblewrap says: first process, exit code |
| ``verdict`` | exit code and message of a command that never started |
| ``lock``, ``pid``, ``exit``, ``stopped`` | see ``detached`` |
"""

import errno
import json
import os
import shutil
import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from tesk_model.names import Attempt
from tesk_model.paths import normalize, parent
from tesk_runtime.beneath import Beneath
from tesk_taskmaster.adapters.bubblewrap import (
    CLEAN_ENVIRON,
    NAMESPACES,
    ExecFailure,
    check_bubblewrap,
    exec_failure,
    find_bubblewrap,
    has_children,
    is_sandbox_init,
    read_status,
    write_arguments,
)
from tesk_taskmaster.adapters.collecting import Collecting
from tesk_taskmaster.adapters.detached import DetachedProcess, Exit, Launch
from tesk_taskmaster.adapters.folders import TaskFolders, remove_tree
from tesk_taskmaster.adapters.sandbox_streams import (
    StreamError,
    empty,
    is_mounted,
    open_streams,
    root_folder,
    tail,
    tree_of,
)
from tesk_taskmaster.adapters.sandbox_view import (
    HOME,
    SandboxView,
    canonical,
    opened_directories,
    search_path,
)
from tesk_taskmaster.ports import (
    ExecutorRun,
    Say,
    StepFailedError,
    StepResult,
    Tails,
)

_NOTE = (
    "the sandbox engine ran this with the programs of this machine: images were "
    "not used, and limits on cpu and memory not enforced"
)
_NOT_STARTED = 125
_RECORDING = timedelta(seconds=1)
_KILLED = 128 + signal.SIGKILL


def open_sandbox_engine(
    folders: TaskFolders, environ: Mapping[str, str], *, programs: Sequence[str] = ()
) -> "SandboxEngine":
    """Return a working engine.

    Args:
        folders: Where attempts are kept.
        environ: For its PATH, to find bubblewrap.
        programs: More folders of this machine that executors see, read-only.

    Raises:
        SandboxUnavailableError: This machine cannot make sandboxes.
    """
    program = find_bubblewrap(environ.get("PATH", os.defpath))
    check_bubblewrap(program)
    return SandboxEngine(program, folders, tuple(programs))


@dataclass(slots=True)
class SandboxEngine:
    """Runs executors in bubblewrap; see the ``Engine`` port."""

    _program: Path
    _folders: TaskFolders
    _programs: tuple[str, ...] = ()
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _processes: dict[Path, DetachedProcess] = field(default_factory=dict)

    def notes(self) -> Sequence[str]:
        """See ``Engine.notes``."""
        return [_NOTE]

    def start(self, run: ExecutorRun, say: Say) -> None:  # noqa: ARG002 - of the port; nothing here takes long
        """See ``Engine.start``."""
        process = self._process(run.folder)
        if process.is_known() or _read_verdict(run) is not None:
            return
        try:
            self._start(run, process)
        except StreamError as error:
            _write_verdict(run, ExecFailure(_NOT_STARTED, str(error)))
        except OSError as error:
            if error.errno != errno.E2BIG:
                raise
            name = run.step.executor.command[0]
            message = f"{name}: not executable: {error.strerror}"
            _write_verdict(run, ExecFailure(126, message))
        except ValueError as error:
            raise StepFailedError(f"{run.name}: {error}") from error

    def wait(self, run: ExecutorRun, timeout: timedelta) -> StepResult | None:
        """See ``Engine.wait``."""
        verdict = _read_verdict(run)
        if verdict is not None:
            return StepResult(exit_code=verdict.exit_code)
        process = self._process(run.folder)
        end = process.wait(timeout)
        if end is None:
            return None
        self._kill(run, process)  # what a dead leader may have left
        return self._result(run, end)

    def tails(self, run: ExecutorRun) -> Tails:
        """See ``Engine.tails``."""
        executor = run.step.executor
        redirect = None if _read_verdict(run) is not None else executor.stderr
        return Tails(
            tail(run, executor.stdout, "stdout"), tail(run, redirect, "stderr")
        )

    def stop(self, run: ExecutorRun, grace: timedelta) -> None:
        """See ``Engine.stop``."""
        process = self._process(run.folder)
        if not process.is_alive():
            return
        process.mark_stopped()
        init = read_status(run.folder / "status").init
        if init is not None and is_sandbox_init(init) and has_children(init):
            _signal_group(init, signal.SIGTERM)
            if process.wait(grace) is None:
                _kill_sandbox(run.folder)
                process.wait(_RECORDING)  # its end is written down before
        self._kill(run, process)

    def remove(self, attempt: Attempt) -> None:
        """See ``Engine.remove``; the files go with the folder of the attempt."""
        for folder in self._folders.steps(attempt):
            process = self._process(folder)
            process.kill(lambda folder=folder: _kill_sandbox(folder))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            with self._guard:
                self._processes.pop(folder, None)

    def attempts(self) -> Sequence[Attempt]:
        """Nothing is held that does not lie in the folders of attempts."""
        return ()

    def clean(self, folder: Path) -> None:
        """See ``Engine.clean``: all that executors make here is ours."""
        remove_tree(folder)

    def _process(self, folder: Path) -> DetachedProcess:
        with self._guard:
            return self._processes.setdefault(folder, DetachedProcess(folder))

    def _start(self, run: ExecutorRun, process: DetachedProcess) -> None:
        root = root_folder(run)
        if root.exists():  # of a start that did not get far
            shutil.rmtree(root)
        root.mkdir(parents=True)
        view = _view(run, self._programs)
        arguments = [
            *NAMESPACES,
            # The parent is the leader, which outlives us: see ``detached``.
            "--die-with-parent",
            *view.build(run.mounts, [str(self._folders.home)]),
            *_environment(run, search_path(self._programs)),
            *("--chdir", _make_workdir(run)),
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

    def _launch(
        self, run: ExecutorRun, streams: tuple[int, int, int], passed: tuple[int, int]
    ) -> Launch:
        def arguments(lock: int, more: Sequence[int]) -> Sequence[str]:
            status, told = more
            return [
                *(str(self._program), "--sync-fd", str(lock)),
                *("--json-status-fd", str(status), "--args", str(told), "--"),
                *run.step.executor.command,
            ]

        return Launch(
            environ=CLEAN_ENVIRON, streams=streams, passed=passed, arguments=arguments
        )

    def _kill(self, run: ExecutorRun, process: DetachedProcess) -> None:
        process.kill(lambda: _kill_sandbox(run.folder))

    def _result(self, run: ExecutorRun, end: Exit) -> StepResult:
        code = read_status(run.folder / "status").exit_code
        if code is None and end.stopped:
            code = _KILLED
        if code is None and end.code is not None and end.code < _KILLED:
            return self._not_started(run, end)
        if code is None:
            return StepResult(
                exit_code=_KILLED,
                error="the sandbox has vanished: this machine was restarted, or "
                "somebody killed it",
                lost=True,
            )
        try:
            _collect(run, self._programs)
        except OSError as error:
            reason = f"what the command wrote cannot be kept: {error.strerror}"
            return StepResult(exit_code=code, error=reason)
        return StepResult(
            exit_code=code, started_at=end.started_at, ended_at=end.ended_at
        )

    @staticmethod
    def _not_started(run: ExecutorRun, end: Exit) -> StepResult:
        executor = run.step.executor
        said = tail(run, executor.stderr, "stderr")
        if end.code == 126:  # noqa: PLR2004 - the shell could not run bubblewrap
            name = executor.command[0]
            failure: ExecFailure | None = ExecFailure(
                126, f"{name}: not executable: Argument list too long"
            )
        else:
            failure = exec_failure(said, executor.command[0])
        if failure is None:
            words = said.decode(errors="replace").strip()
            return StepResult(
                exit_code=_NOT_STARTED, error=f"the sandbox cannot be set up: {words}"
            )
        empty(run, executor.stderr, "stderr")
        _write_verdict(run, failure)
        return StepResult(
            exit_code=failure.exit_code,
            started_at=end.started_at,
            ended_at=end.ended_at,
        )


def _view(run: ExecutorRun, programs: tuple[str, ...]) -> SandboxView:
    executor = run.step.executor
    used = [parent(canonical(mount.target)) for mount in run.mounts]
    used += [Collecting.directory(pattern) for pattern in run.step.collect]
    workdir = normalize(executor.workdir or "/")
    if not Path(workdir).is_dir() and not is_mounted(run, workdir):
        used.append(workdir)
    return SandboxView(root_folder(run), programs, opened_directories(used))


def _make_workdir(run: ExecutorRun) -> str:
    workdir = normalize(run.step.executor.workdir or "/")
    shown = canonical(workdir)
    if not is_mounted(run, workdir) and Path(workdir).is_dir():
        root = root_folder(run) / shown.lstrip("/")
        root.mkdir(parents=True, exist_ok=True)
        return workdir
    try:
        os.close(tree_of(run, workdir).open_directory(workdir, create=True))
    except OSError as error:
        raise StreamError(f"workdir: {workdir}: {error.strerror}") from error
    return workdir


def _environment(run: ExecutorRun, path: str) -> list[str]:
    environ = {"PATH": path, "HOME": HOME, **run.step.executor.env}
    arguments = ["--clearenv"]
    for name, value in environ.items():
        arguments += ["--setenv", name, value]
    return arguments


def _collect(run: ExecutorRun, programs: tuple[str, ...]) -> None:
    if not run.step.collect:
        return
    view = _view(run, programs)
    view.build(run.mounts, [])
    collecting = Collecting(
        Beneath(root_folder(run)), Beneath(run.volume), frozenset(view.shown)
    )
    for pattern in run.step.collect:
        collecting.take(pattern)


def _signal_group(init: int, number: int) -> None:
    try:
        os.killpg(init, number)
    except ProcessLookupError:
        return


def _kill_sandbox(folder: Path) -> None:
    init = read_status(folder / "status").init
    if init is not None and is_sandbox_init(init):
        try:
            os.kill(init, signal.SIGKILL)
        except ProcessLookupError:
            return


def _write_verdict(run: ExecutorRun, failure: ExecFailure) -> None:
    (run.folder / "stderr").write_text(failure.message + "\n", "utf-8")
    part = run.folder / "verdict.part"
    part.write_text(
        json.dumps({"exit_code": failure.exit_code, "message": failure.message}),
        "utf-8",
    )
    part.replace(run.folder / "verdict")


def _read_verdict(run: ExecutorRun) -> ExecFailure | None:
    try:
        known = json.loads((run.folder / "verdict").read_text("utf-8"))
    except FileNotFoundError:
        return None
    return ExecFailure(int(known["exit_code"]), str(known["message"]))
