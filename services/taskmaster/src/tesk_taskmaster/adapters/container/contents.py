"""What images have in directories that a task would like to share.

A container that is never started shows its image's files through the engine's
API; one entry of a listing tells whether a directory is empty. What is found
is kept by the image's id, so an image is looked into once.
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

_MOST_KEPT = 10_000  # directories, of all images together

_Contents = dict[str, bool | None]
"""By directory of one image: None if it is not there, else whether it has any."""


class ImageContents:
    """Knows, or finds out, what images have; thread-safe."""

    def __init__(self, api: ContainerApi, home: Path) -> None:
        self._api = api
        self._home = home
        self._lock = threading.Lock()
        self._known: dict[str, _Contents] = {}  # by image id

    def occupied_directories(
        self, attempt: Attempt, image: str, directories: Sequence[str]
    ) -> Collection[str]:
        """Return in which directories an image has something.

        Args:
            attempt: Who wants to know; what is made for it goes with it.
            image: It is present.
            directories: Absolute and normalized.

        Raises:
            StepFailedError: It cannot be looked into.
            EngineSilentError: The engine is down.
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
                f"image {image} cannot be looked into: {error}"
            ) from error
        return [path for path in directories if contents[path]]

    def _contents(
        self, attempt: Attempt, image: str, directories: Sequence[str]
    ) -> _Contents:
        """Return what is known of an image, all of ``directories`` among it."""
        with self._lock:
            contents = dict(self._known.get(image, {}))
        missing = [path for path in directories if path not in contents]
        if not missing:
            return contents
        name = f"{attempt.name}-look"
        self._api.remove(name)  # a predecessor's
        self._api.create(name, look_config(attempt, image, self._home))
        try:
            for path in missing:
                self._look(name, path, contents)
        finally:
            self._api.remove(name)
        self._keep(image, contents)
        return contents

    def _look(self, name: str, path: str, contents: _Contents) -> None:
        """Look from above: below what is not there, there is nothing."""
        is_there = True
        for directory in _chain(path):
            if directory not in contents:
                entries = self._api.entries(name, directory) if is_there else None
                contents[directory] = None if entries is None else bool(entries)
            is_there = contents[directory] is not None

    def _keep(self, image: str, contents: _Contents) -> None:
        with self._lock:
            self._known[image] = self._known.get(image, {}) | contents
            if sum(map(len, self._known.values())) > _MOST_KEPT:
                self._known.clear()


def look_config(attempt: Attempt, image: str, home: Path) -> dict[str, Any]:
    """Return the body of ``POST /containers/create`` for one to look into."""
    return {
        "Image": image,
        "Entrypoint": ["/never-started"],
        "Labels": attempt_labels(attempt, home) | {STEP_LABEL: "look"},
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {"NetworkMode": "none"},
    }


def _chain(path: str) -> Iterator[str]:
    """Yield the directories to look at, from the top; every image has some."""
    if path != "/" and not is_system_directory(parent(path)):
        yield from _chain(parent(path))
    yield path
