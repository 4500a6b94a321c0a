"""Inspects images: which directories have files.

The files of a container that is never started can be listed by the engine's API;
one entry shows that a directory is not empty. Results are cached by the image's id.
"""

import threading
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from tesk_model.names import Attempt
from tesk_model.paths import is_system_directory, parent
from tesk_model.reasons import ReasonCode
from tesk_taskmaster.adapters.container.api import ContainerApi, EngineRefusedError
from tesk_taskmaster.adapters.container.config import STEP_LABEL, attempt_labels
from tesk_taskmaster.ports import StepFailedError

_MAX_CACHED = 10_000  # directories, of all images together

_Contents = dict[str, bool | None]
"""By directory of one image: None if it does not exist, else whether it has files."""


class ImageContents:
    """Finds out which directories of images have files; thread-safe."""

    def __init__(self, api: ContainerApi, home: Path) -> None:
        self._api = api
        self._home = home
        self._lock = threading.Lock()
        self._cached: dict[str, _Contents] = {}  # by image id

    def occupied_directories(
        self, attempt: Attempt, image: str, directories: Sequence[str]
    ) -> Collection[str]:
        """Return in which directories an image has files.

        Args:
            attempt: Whose containers are removed with it.
            image: It is present.
            directories: Absolute and normalized.

        Raises:
            StepFailedError: It cannot be inspected.
            EngineUnresponsiveError: The engine is down.
        """
        try:
            found = self._api.inspect_image(image)
            if found is None:
                raise StepFailedError(
                    f"image {image} was removed",
                    code=ReasonCode.IMAGE_PULL_FAILED,
                    lost=True,
                )
            contents = self._contents(attempt, found["Id"], directories)
        except EngineRefusedError as error:
            raise StepFailedError(
                f"image {image} cannot be inspected: {error}"
            ) from error
        return [path for path in directories if contents[path]]

    def _contents(
        self, attempt: Attempt, image: str, directories: Sequence[str]
    ) -> _Contents:
        """Return the contents of an image, at least of ``directories``."""
        with self._lock:
            contents = dict(self._cached.get(image, {}))
        missing = [path for path in directories if path not in contents]
        if not missing:
            return contents
        name = f"{attempt.name}-inspection"
        self._api.remove(name)  # left by a predecessor
        self._api.create(name, inspection_config(attempt, image, self._home))
        try:
            for path in missing:
                self._inspect(name, path, contents)
        finally:
            self._api.remove(name)
        self._store(image, contents)
        return contents

    def _inspect(self, name: str, path: str, contents: _Contents) -> None:
        """List from the top: nothing is below a directory that does not exist."""
        exists = True
        for directory in _directories_to_list(path):
            if directory not in contents:
                entries = self._api.entries(name, directory) if exists else None
                contents[directory] = None if entries is None else bool(entries)
            exists = contents[directory] is not None

    def _store(self, image: str, contents: _Contents) -> None:
        with self._lock:
            self._cached[image] = self._cached.get(image, {}) | contents
            if sum(map(len, self._cached.values())) > _MAX_CACHED:
                self._cached.clear()


def inspection_config(attempt: Attempt, image: str, home: Path) -> dict[str, Any]:
    """Return the body of ``POST /containers/create`` for a container to inspect."""
    return {
        "Image": image,
        "Entrypoint": ["/never-started"],
        "Labels": attempt_labels(attempt, home) | {STEP_LABEL: "inspection"},
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {"NetworkMode": "none"},
    }


def _directories_to_list(path: str) -> Iterator[str]:
    """Yield the directories to list, from the top, without those of every image."""
    if path != "/" and not is_system_directory(parent(path)):
        yield from _directories_to_list(parent(path))
    yield path
