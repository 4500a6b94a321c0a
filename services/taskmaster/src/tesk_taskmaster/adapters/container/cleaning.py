"""Removes containers, and what executors made, also where only root may.

Programs in containers often run as root, and what they make belongs to root (or,
under a rootless engine, to a user id that only the engine has). A TESK that is
not root cannot delete from such directories, but a container can. The user's
image may hold no program that deletes, so the container borrows this machine's
``find`` with the libraries it needs, read-only, over any image that is there.
"""

import hashlib
import logging
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tesk_model.names import Attempt
from tesk_runtime.removal import IncompleteRemovalError, remove_tree
from tesk_taskmaster.adapters.container.api import ContainerApi, EngineRefusedError
from tesk_taskmaster.adapters.container.config import (
    HOME_LABEL,
    SECURITY_OPTIONS,
    attempt_labels,
    bind,
)
from tesk_taskmaster.adapters.container.outcome import ENDED
from tesk_taskmaster.adapters.container.retries import (
    RETRY_INTERVAL,
    SILENCE_TIMEOUT,
    pause,
    retried,
)
from tesk_taskmaster.adapters.launcher_options import OWN_FOLDER
from tesk_taskmaster.ports import StepFailedError

_log = logging.getLogger(__name__)

_TARGET = f"{OWN_FOLDER}/clean"
_SYSTEM = ("/bin", "/lib", "/lib32", "/lib64", "/usr")
_WAIT_SECONDS = 600.0


def remove_containers(api: ContainerApi, attempt: Attempt, home: Path) -> None:
    """Kill and remove all containers of an attempt.

    Raises:
        StepFailedError: The engine does not do it.
    """
    labels = attempt_labels(attempt, home)
    deadline = time.monotonic() + SILENCE_TIMEOUT
    while found := retried(lambda: api.list(labels)):
        if time.monotonic() > deadline:
            raise StepFailedError(
                f"the container engine does not remove containers of {attempt.name}"
            )
        for container in found:
            retried(partial(_remove, api, container))


def _remove(api: ContainerApi, container: Mapping[str, Any]) -> None:
    try:
        api.remove(container["Id"], has_ended=container.get("State") in ENDED)
    except EngineRefusedError as error:
        # It may be on its way out already; the caller looks again.
        _log.warning(
            "container not removed",
            extra={"container": container["Id"], "cause": str(error)},
        )
        pause(RETRY_INTERVAL)


def clean_folder(folder: Path, *, api: ContainerApi, home: Path) -> None:
    """Delete ``folder`` and what is in it; nothing there is no error.

    Raises:
        OSError: It cannot be deleted.
        StepFailedError: There is no image to start a container of.
        EngineRefusedError: The container cannot be run.
        EngineSilentError: The engine's help is needed and it is down.
    """
    try:
        remove_tree(folder)
    except IncompleteRemovalError as error:
        if not error.is_forbidden:
            raise
        empty_by_container(folder, api=api, home=home)
        remove_tree(folder)


def empty_by_container(folder: Path, *, api: ContainerApi, home: Path) -> None:
    """Delete what is in ``folder`` as the root of a container.

    Raises:
        StepFailedError: There is no image to start a container of.
        EngineRefusedError: The container cannot be run.
        EngineSilentError: The engine is down.
    """
    images = api.images()
    if not images:
        raise StepFailedError(
            f"{folder} holds files of other users and there is no image whose "
            "container could delete them"
        )
    # The name keeps two of the same folder apart, and finds one left behind.
    name = f"tesk-clean-{hashlib.sha256(str(folder).encode()).hexdigest()[:32]}"
    api.remove(name)
    try:
        api.create(name, cleaning_config(folder, image=images[0], home=home))
        api.start(name)
        api.wait(name, _WAIT_SECONDS)
    finally:
        api.remove(name)


def cleaning_config(folder: Path, *, image: str, home: Path) -> Mapping[str, Any]:
    """Return the body of ``POST /containers/create`` for the helper."""
    programs = [
        bind(Path(path), path, read_only=True)
        for path in _SYSTEM
        if Path(path).is_dir()
    ]
    return {
        "Image": image,
        "User": "0:0",
        "WorkingDir": "/",
        "Entrypoint": ["find"],
        # Neither links are followed nor what is mounted there.
        "Cmd": [_TARGET, "-mindepth", "1", "-xdev", "-delete"],
        "Env": ["PATH=/usr/bin:/bin"],
        "Labels": {HOME_LABEL: str(home)},
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            "Mounts": [*programs, bind(folder.resolve(), _TARGET)],
            "NetworkMode": "none",
            "SecurityOpt": SECURITY_OPTIONS,
            "RestartPolicy": {"Name": "no"},
        },
    }
