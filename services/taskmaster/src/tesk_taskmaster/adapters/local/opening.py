"""The way from settings to the runtime of one machine.

Imported only where it is used: neither a sandbox nor a container engine has any
place in a cluster.
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
from tesk_taskmaster.adapters.container.config import ContainerChoices
from tesk_taskmaster.adapters.folders import TaskFolders
from tesk_taskmaster.adapters.local.filer_process import (
    FILER_COMMAND,
    FilerProcesses,
    FilerSettings,
    filer_environ,
)
from tesk_taskmaster.adapters.local.runtime import LocalRuntime
from tesk_taskmaster.adapters.sandbox.bubblewrap import SandboxUnavailableError
from tesk_taskmaster.adapters.sandbox.opening import open_sandbox_engine
from tesk_taskmaster.ports import Engine

_IDENTITY_TRIES = 20
_IDENTITY_PAUSE = 0.05
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
BUILT_LAUNCHER = Path(__file__).parents[6] / "build" / "launcher"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalChoices:
    """What the runtime of one machine can be told.

    Attributes:
        local: The section; its engine ``auto`` prefers containers.
        launcher: Binary of the launcher; "": as built from the sources.
        filer_command: Starts a filer; empty: that of this installation.
        sandbox_programs: More folders with programs for the sandbox.
        processes: In one container; 0: any number.
        dropped: Capabilities that containers do not get.
    """

    local: LocalSettings
    launcher: str
    filer_command: Sequence[str]
    sandbox_programs: Sequence[str]
    processes: int = 0
    dropped: tuple[str, ...] = ()


def take_identity(home: Path, taskmaster_id: str) -> None:
    """Lock ``taskmasters/<id>.lock`` until we end, with our pid in it.

    Raises:
        ValueError: Another process has it.
    """
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
    raise ValueError(msg)


def open_local_runtime(
    home: Path, choices: LocalChoices, environ: Mapping[str, str]
) -> LocalRuntime:
    """Open the runtime that keeps its attempts in ``home``.

    Raises:
        ValueError: Nothing here can run executors; says what would.
    """
    folders = TaskFolders(home, boot=_BOOT_ID.read_text("ascii").strip())
    command = tuple(choices.filer_command) or FILER_COMMAND
    filers = FilerSettings(environ=filer_environ(environ), command=command)
    engine = _open_engine(choices, folders, environ)
    runtime = LocalRuntime(folders, engine, FilerProcesses(folders, filers))
    threading.Thread(
        target=runtime.leftovers.run,
        args=(threading.Event(),),
        name="leftovers",
        daemon=True,
    ).start()
    return runtime


def _open_engine(
    choices: LocalChoices, folders: TaskFolders, environ: Mapping[str, str]
) -> Engine:
    wanted = choices.local.engine
    if wanted != "sandbox":
        try:
            return _open_containers(choices, folders, environ)
        except UnavailableError as error:
            if wanted == "container":
                msg = f"{error}; or set TESK_ENGINE=sandbox"
                raise ValueError(msg) from error
            _logger.info("using the sandbox engine", extra={"because": str(error)})
    try:
        return open_sandbox_engine(
            folders,
            environ,
            programs=tuple(choices.sandbox_programs),
            hidden=_own_files(choices.local, environ),
            network=choices.local.network,
        )
    except SandboxUnavailableError as error:
        raise ValueError(str(error)) from error


def _own_files(local: LocalSettings, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return what commands of this machine must not see besides our state."""
    named = (environ.get(CONFIG_VARIABLE), environ.get("NETRC"), *local.protected)
    return tuple(str(Path(path).absolute()) for path in named if path)


def _open_containers(
    choices: LocalChoices, folders: TaskFolders, environ: Mapping[str, str]
) -> Engine:
    try:
        # Imported only here: the docker SDK costs memory and start-up time, and
        # images for clusters do not have it.
        from tesk_taskmaster.adapters.container.discovery import (  # noqa: PLC0415 - as said above
            open_container_engine,
        )
    except ImportError as error:
        msg = f"the local runtime needs tesk-taskmaster[local]: {error}"
        raise ValueError(msg) from error
    launcher = Path(choices.launcher or BUILT_LAUNCHER)
    decided = ContainerChoices(
        network=choices.local.network,
        addresses=choices.local.network_addresses,
        processes=choices.processes,
        dropped=choices.dropped,
    )
    return open_container_engine(
        environ, launcher=launcher, home=folders.home, choices=decided
    )
