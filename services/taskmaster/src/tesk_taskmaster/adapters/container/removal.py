"""Removes containers, and files of executors that only root may delete.

Programs in containers often run as root, and their files belong to root (or, under
a rootless engine, to a user id that only the engine has). A TESK that is not root
cannot delete these files, but a container can. The user's image may hold no program
that deletes, so this machine's ``find`` with its libraries is mounted read-only
into a container of any image that is present.
"""

import hashlib
import logging
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tesk_model.names import Attempt
from tesk_model.paths import OWN_FOLDER
from tesk_runtime.removal import IncompleteRemovalError, remove_tree
from tesk_taskmaster.adapters.container.api import ContainerApi, EngineRefusedError
from tesk_taskmaster.adapters.container.config import (
    HOME_LABEL,
    SECURITY_OPTIONS,
    attempt_labels,
    bind,
)
from tesk_taskmaster.adapters.container.observation import ENDED
from tesk_taskmaster.adapters.container.retries import (
    RETRY_INTERVAL,
    UNRESPONSIVE_TIMEOUT,
    pause,
    retried,
)
from tesk_taskmaster.ports import StepFailedError

_logger = logging.getLogger(__name__)

_TARGET = f"{OWN_FOLDER}/clean"
_PROGRAM_DIRECTORIES = ("/bin", "/lib", "/lib32", "/lib64", "/usr")
_WAIT_SECONDS = 600.0


def remove_containers(api: ContainerApi, attempt: Attempt, home: Path) -> None:
    """Kill and remove all containers of an attempt.

    Raises:
        StepFailedError: The engine does not remove them.
    """
    labels = attempt_labels(attempt, home)
    deadline = time.monotonic() + UNRESPONSIVE_TIMEOUT
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
        # Perhaps it is being removed already; the caller lists them again.
        _logger.warning(
            "container not removed",
            extra={"container": container["Id"], "cause": str(error)},
        )
        pause(RETRY_INTERVAL)


def delete_folder(folder: Path, *, api: ContainerApi, home: Path) -> None:
    """Delete ``folder`` with its content; a missing one is no error.

    Raises:
        OSError: It cannot be deleted.
        StepFailedError: There is no image for a container.
        EngineRefusedError: The container cannot be run.
        EngineUnresponsiveError: The engine's help is needed and it is down.
    """
    try:
        remove_tree(folder)
    except IncompleteRemovalError as error:
        if not error.is_forbidden:
            raise
        empty_folder_in_container(folder, api=api, home=home)
        remove_tree(folder)


def empty_folder_in_container(folder: Path, *, api: ContainerApi, home: Path) -> None:
    """Delete the content of ``folder`` as root of a container.

    Raises:
        StepFailedError: There is no image for a container.
        EngineRefusedError: The container cannot be run.
        EngineUnresponsiveError: The engine is down.
    """
    images = api.images()
    if not images:
        raise StepFailedError(
            f"{folder} holds files of other users and there is no image whose "
            "container could delete them"
        )
    # The name prevents two at once, and finds one left behind.
    name = f"tesk-clean-{hashlib.sha256(str(folder).encode()).hexdigest()[:32]}"
    api.remove(name)
    try:
        api.create(name, removal_config(folder, image=images[0], home=home))
        api.start(name)
        api.wait(name, _WAIT_SECONDS)
    finally:
        api.remove(name)


def removal_config(folder: Path, *, image: str, home: Path) -> Mapping[str, Any]:
    """Return the body of ``POST /containers/create`` for the container that deletes."""
    programs = [
        bind(Path(path), path, read_only=True)
        for path in _PROGRAM_DIRECTORIES
        if Path(path).is_dir()
    ]
    return {
        "Image": image,
        "User": "0:0",
        "WorkingDir": "/",
        "Entrypoint": ["find"],
        # Neither links nor mounts are followed.
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
