"""The taskmaster process: reads its settings, wires, runs until it is told to go."""

import logging
import os
import sys
import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from tesk_model.errors import UnavailableError
from tesk_runtime import logs, settings
from tesk_runtime.clock import SystemClock
from tesk_runtime.rpc.channel import open_channel
from tesk_runtime.rpc.tls import channel_credentials
from tesk_runtime.sections import read_token, state_home
from tesk_runtime.shutdown import stop_on_signals
from tesk_taskmaster.adapters.bubblewrap import SandboxUnavailableError
from tesk_taskmaster.adapters.file_lock import FileLock
from tesk_taskmaster.adapters.filer_process import (
    FilerProcesses,
    FilerSettings,
    filer_environ,
)
from tesk_taskmaster.adapters.folders import TaskFolders
from tesk_taskmaster.adapters.local_runtime import LocalRuntime
from tesk_taskmaster.adapters.sandbox import open_sandbox_engine
from tesk_taskmaster.adapters.scheduler_client import GrpcScheduler
from tesk_taskmaster.config import Settings
from tesk_taskmaster.ports import Engine
from tesk_taskmaster.usecases.attempt import AttemptSettings
from tesk_taskmaster.usecases.reporter import Reporter
from tesk_taskmaster.usecases.taskmaster import Taskmaster, TaskmasterSettings

_PAUSE = timedelta(seconds=0.2)
_FAREWELL = timedelta(seconds=2)
_RETRY_PAUSE = timedelta(seconds=1)
_IDENTITY_TRIES = 20
_IDENTITY_PAUSE = 0.05
_USAGE_ERROR = 2
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_BUILT_LAUNCHER = Path(__file__).parents[4] / "build" / "launcher"

_logger = logging.getLogger(__name__)


class _StartError(Exception):
    """The process cannot start; the message says what to change."""


def main() -> None:
    """Run a taskmaster; exit 0 when it was told to go, 1 if cut off, 2 if misset."""
    try:
        done = _run(os.environ)
    except (
        _StartError,
        SandboxUnavailableError,
        settings.SettingsError,
        ValueError,
    ) as error:
        sys.stderr.write(f"tesk-taskmaster: {error}\n")
        sys.exit(_USAGE_ERROR)
    sys.stderr.flush()
    # Threads of attempts may be waiting for steps; those go on without us.
    os._exit(0 if done else 1)


def _run(environ: Mapping[str, str]) -> bool:
    configured = settings.load(Settings, environ)
    if not configured.taskmaster.id:
        msg = "taskmaster.id (TESK_TASKMASTER_ID): must be set"
        raise _StartError(msg)
    home = state_home(configured.local, environ)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home = home.resolve()
    # Before anything else: whoever sees the lock knows that we live.
    _take_identity(home, configured.taskmaster.id)
    stop = stop_on_signals()
    logs.configure("taskmaster", configured.log)
    token = read_token(configured.grpc.token_file)
    taskmaster = _build(configured, environ, home, token)
    return taskmaster.run(stop)


def _take_identity(home: Path, taskmaster_id: str) -> None:
    """Lock ``taskmasters/<id>.lock`` until we end, with our pid in it."""
    folder = home / "taskmasters"
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = FileLock(folder / f"{taskmaster_id}.lock")
    pause = threading.Event()
    for _ in range(_IDENTITY_TRIES):  # a scheduler that looks holds it a moment
        if lock.try_acquire():
            lock.write(f"{os.getpid()}\n")
            return
        pause.wait(_IDENTITY_PAUSE)
    msg = f"taskmaster {taskmaster_id} is running already"
    raise _StartError(msg)


def _build(
    configured: Settings, environ: Mapping[str, str], home: Path, token: str
) -> Taskmaster:
    section = configured.taskmaster
    clock = SystemClock()
    scheduler = GrpcScheduler.over(
        open_channel(
            configured.grpc.scheduler,
            token=token,
            credentials=channel_credentials(configured.grpc),
        ),
        section.id,
    )
    folders = TaskFolders(home, boot=_BOOT_ID.read_text("ascii").strip())
    command = section.filer_command or (sys.executable, "-m", "tesk_filer")
    filers = FilerSettings(environ=filer_environ(environ), command=command)
    runtime = LocalRuntime(
        folders,
        _open_engine(configured, folders, environ),
        FilerProcesses(folders, filers),
    )
    return Taskmaster(
        scheduler=scheduler,
        runtime=runtime,
        reporter=Reporter(scheduler, clock),
        clock=clock,
        settings=TaskmasterSettings(
            slots=section.slots,
            wait=section.sync_wait,
            pause=_PAUSE,
            patience=section.patience,
            farewell=_FAREWELL,
            attempts=AttemptSettings(
                grace=section.grace,
                live_interval=section.live_interval,
                retry_pause=_RETRY_PAUSE,
            ),
        ),
    )


def _open_engine(
    configured: Settings, folders: TaskFolders, environ: Mapping[str, str]
) -> Engine:
    """Choose what runs executors; ``auto`` prefers containers."""
    wanted = configured.local.engine
    if wanted != "sandbox":
        # Imported only here: the docker SDK costs memory and start-up time, and
        # images for clusters do not have it.
        try:
            from tesk_taskmaster.adapters.container_discovery import (  # noqa: PLC0415 - as said above
                open_container_engine,
            )
        except ImportError as error:
            msg = f"the local runtime needs tesk-taskmaster[local]: {error}"
            raise _StartError(msg) from error

        launcher = Path(configured.taskmaster.launcher or _BUILT_LAUNCHER)
        try:
            return open_container_engine(environ, launcher=launcher, home=folders.home)
        except UnavailableError as error:
            if wanted == "container":
                msg = f"{error}; or set TESK_ENGINE=sandbox"
                raise _StartError(msg) from error
            _logger.info("using the sandbox engine", extra={"because": str(error)})
    programs = configured.taskmaster.sandbox_programs
    return open_sandbox_engine(folders, environ, programs=programs)
