"""Opens the runtime of one machine from the settings.

Imported only where it is used: in a cluster there is no engine.
"""

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tesk_model.errors import UnavailableError
from tesk_runtime.file_lock import FileLock
from tesk_runtime.sections import LocalSettings
from tesk_runtime.settings import CONFIG_VARIABLE
from tesk_taskmaster.adapters.container.config import ContainerOptions
from tesk_taskmaster.adapters.local.filer_process import (
    FILER_COMMAND,
    FilerProcesses,
    FilerSettings,
    filer_environ,
)
from tesk_taskmaster.adapters.local.references import ReferenceFolders
from tesk_taskmaster.adapters.local.runtime import LocalRuntime
from tesk_taskmaster.adapters.sandbox.bubblewrap import SandboxUnavailableError
from tesk_taskmaster.adapters.sandbox.factory import open_sandbox_engine
from tesk_taskmaster.adapters.task_folders import TaskFolders
from tesk_taskmaster.ports import Engine

_LOCK_TRIES = 20
_LOCK_INTERVAL = 0.05
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
BUILT_LAUNCHER = Path(__file__).parents[6] / "build" / "launcher"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalOptions:
    """Settings of the runtime of one machine.

    Attributes:
        local: The section; engine ``auto`` prefers containers.
        launcher: Binary of the launcher; "": as built from the sources.
        filer_command: Starts a filer; empty: that of this installation.
        sandbox_programs: More folders with programs for the sandbox.
        max_processes: In one container; 0: any number.
        dropped_capabilities: Capabilities that containers do not get.
    """

    local: LocalSettings
    launcher: str
    filer_command: Sequence[str]
    sandbox_programs: Sequence[str]
    max_processes: int = 0
    dropped_capabilities: tuple[str, ...] = ()


def lock_identity(home: Path, taskmaster_id: str) -> None:
    """Lock ``taskmasters/<id>.lock`` until this process ends, and write its pid.

    Raises:
        ValueError: Another process has it.
    """
    folder = home / "taskmasters"
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = FileLock(folder / f"{taskmaster_id}.lock")
    pause = threading.Event()
    for _ in range(_LOCK_TRIES):  # a scheduler that checks it holds it for a moment
        if lock.try_acquire():
            lock.write(f"{os.getpid()}\n")
            return
        pause.wait(_LOCK_INTERVAL)
    msg = f"taskmaster {taskmaster_id} is running already"
    raise ValueError(msg)


def open_local_runtime(
    home: Path, options: LocalOptions, environ: Mapping[str, str]
) -> LocalRuntime:
    """Open the runtime that keeps its attempts in ``home``.

    Raises:
        ValueError: No engine can be used; the message says what is missing.
    """
    folders = TaskFolders(home, boot=_BOOT_ID.read_text("ascii").strip())
    command = tuple(options.filer_command) or FILER_COMMAND
    filers = FilerSettings(environ=filer_environ(environ), command=command)
    engine = _open_engine(options, folders, environ)
    references = ReferenceFolders(
        {name: Path(path).absolute() for name, path in options.local.references.items()}
    )
    runtime = LocalRuntime(
        folders, engine, FilerProcesses(folders, filers), references=references
    )
    threading.Thread(
        target=runtime.leftovers.run,
        args=(threading.Event(),),
        name="leftovers",
        daemon=True,
    ).start()
    return runtime


def _open_engine(
    options: LocalOptions, folders: TaskFolders, environ: Mapping[str, str]
) -> Engine:
    wanted = options.local.engine
    if wanted != "sandbox":
        try:
            return _open_containers(options, folders, environ)
        except UnavailableError as error:
            if wanted == "container":
                msg = f"{error}; or set TESK_ENGINE=sandbox"
                raise ValueError(msg) from error
            _logger.info("using the sandbox engine", extra={"because": str(error)})
    try:
        return open_sandbox_engine(
            folders,
            environ,
            programs=tuple(options.sandbox_programs),
            hidden=_hidden_paths(options.local, environ),
            network=options.local.network,
        )
    except SandboxUnavailableError as error:
        raise ValueError(str(error)) from error


def _hidden_paths(local: LocalSettings, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the paths to hide from commands, besides TESK's state."""
    named = (environ.get(CONFIG_VARIABLE), environ.get("NETRC"), *local.protected)
    return tuple(str(Path(path).absolute()) for path in named if path)


def _open_containers(
    options: LocalOptions, folders: TaskFolders, environ: Mapping[str, str]
) -> Engine:
    try:
        # Imported only here: the docker SDK costs memory and start-up time, and
        # images for clusters do not have it.
        from tesk_taskmaster.adapters.container.discovery import (  # noqa: PLC0415 - see above
            open_container_engine,
        )
    except ImportError as error:
        msg = f"the local runtime needs tesk-taskmaster[local]: {error}"
        raise ValueError(msg) from error
    launcher = Path(options.launcher or BUILT_LAUNCHER)
    container_options = ContainerOptions(
        network=options.local.network,
        addresses=options.local.network_addresses,
        max_processes=options.max_processes,
        dropped_capabilities=options.dropped_capabilities,
    )
    return open_container_engine(
        environ, launcher=launcher, home=folders.home, options=container_options
    )
