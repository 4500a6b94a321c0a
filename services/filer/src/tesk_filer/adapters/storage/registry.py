"""Opens the storage of a location on first use.

``tesk_model.schemes`` names the module of each scheme, whose ``open_storage`` makes
the storage. A module is imported on first use: what some need takes more CPU than a
whole transfer of local files.
"""

import threading
from importlib import import_module
from typing import Protocol, cast

from tesk_filer.adapters.storage.storage_config import StorageConfig
from tesk_filer.domain.credentials import AzureAccount
from tesk_filer.ports import Storage, Storages
from tesk_model.locations import Location
from tesk_model.schemes import SCHEMES

_RESOLVERS = frozenset({"drs"})


class StorageModule(Protocol):
    """Interface of the modules of this package that serve a scheme."""

    def open_storage(self, config: StorageConfig) -> Storage:
        """Return the storage for ``config``."""


class ResolverModule(Protocol):
    """Interface of those whose files lie in other storages."""

    def open_resolver(self, config: StorageConfig, storages: Storages) -> Storage:
        """Return the storage for ``config``, which fetches from ``storages``."""


def load_module(name: str) -> StorageModule:
    """Return the module that ``Scheme.storage`` names."""
    return cast("StorageModule", import_module(f"{__package__}.{name}"))


class StorageRegistry:
    """Satisfies ``ports.Storages``."""

    def __init__(self, config: StorageConfig) -> None:
        """Open storages for ``config``, each once at most."""
        self._config = config
        self._opened: dict[str, Storage] = {}
        self._lock = threading.Lock()

    def of(self, location: Location) -> Storage:
        """See ``Storages``; refuses a url that the operator's lists do."""
        self._config.egress.check(location)
        name = self._module_of(location)
        with self._lock:
            if name not in self._opened:
                self._opened[name] = self._open(name)
            return self._opened[name]

    def _open(self, name: str) -> Storage:
        if name in _RESOLVERS:
            module = cast("ResolverModule", load_module(name))
            return module.open_resolver(self._config, self)
        return load_module(name).open_storage(self._config)

    def _module_of(self, location: Location) -> str:
        """Return the module that serves a url; blobs may have urls of https.

        What a signature in the url allows needs no other credentials.
        """
        name = SCHEMES[location.scheme].storage
        if name == "http" and not location.query.partition("#")[0]:
            found = self._config.credentials.find(location)
            if isinstance(found, AzureAccount):
                return "azure"
        return name
