"""The storage of a location, opened when the first of its kind is met.

``tesk_model.schemes`` names the module of each scheme, whose ``open_storage`` makes
the storage. A module is imported when it is needed: boto3 and requests cost a
quarter of a second of CPU, more than a whole transfer of local files.
"""

import threading
from importlib import import_module
from typing import Protocol, cast

from tesk_filer.adapters.storage.storage_config import StorageConfig
from tesk_filer.ports import Storage
from tesk_model.locations import Location
from tesk_model.schemes import SCHEMES


class StorageModule(Protocol):
    """What a module of this package has that serves a scheme."""

    def open_storage(self, config: StorageConfig) -> Storage:
        """Return the storage as ``config`` has it."""


def load_module(name: str) -> StorageModule:
    """Return the module that ``Scheme.storage`` names."""
    return cast("StorageModule", import_module(f"{__package__}.{name}"))


class StorageRegistry:
    """Satisfies ``ports.Storages``."""

    def __init__(self, config: StorageConfig) -> None:
        """Open each storage as ``config`` has it, once at most."""
        self._config = config
        self._opened: dict[str, Storage] = {}
        self._lock = threading.Lock()

    def of(self, location: Location) -> Storage:
        """See ``Storages``."""
        name = SCHEMES[location.scheme].storage
        with self._lock:
            if name not in self._opened:
                self._opened[name] = load_module(name).open_storage(self._config)
            return self._opened[name]
