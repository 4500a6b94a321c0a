"""Deletes what executors made, also where only root may.

Programs in containers often run as root, and what they make belongs to root (or,
under a rootless engine, to a user id that only the engine has). A TESK that is
not root cannot delete from such directories, but a container can. The user's
image may hold no program that deletes, so the container borrows this machine's
``find`` with the libraries it needs, read-only, over any image that is there.
"""

import contextlib
import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tesk_taskmaster.adapters.container_api import ContainerApi
from tesk_taskmaster.adapters.container_config import (
    HOME_LABEL,
    SECURITY_OPTIONS,
    bind,
)
from tesk_taskmaster.ports import StepFailedError

_TARGET = "/.tesk/clean"
_SYSTEM = ("/bin", "/lib", "/lib32", "/lib64", "/usr")
_WAIT_SECONDS = 600.0


def remove_tree(folder: Path, *, api: ContainerApi, home: Path) -> None:
    """Delete ``folder`` and what is in it; nothing there is no error.

    Raises:
        StepFailedError: It cannot be deleted.
        EngineSilentError: The engine's help is needed and it is down.
    """
    if _removed(folder):
        return
    empty_by_container(folder, api=api, home=home)
    if not _removed(folder):
        raise StepFailedError(
            f"{folder} cannot be deleted, not even by a container; "
            "something in it is in use or protected"
        )


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
        "Cmd": [_TARGET, "-mindepth", "1", "-delete"],  # Links are not followed.
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


def _removed(folder: Path) -> bool:
    with contextlib.suppress(FileNotFoundError, PermissionError):
        shutil.rmtree(folder)
    return not folder.exists()
