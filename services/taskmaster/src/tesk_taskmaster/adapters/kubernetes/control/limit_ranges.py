"""Reads the LimitRanges of task namespaces, once a minute."""

import logging
import threading
from dataclasses import dataclass, field

from tesk_kubernetes.api import LIMIT_RANGES, KubernetesApi, RefusedError
from tesk_taskmaster.adapters.kubernetes.manifests.limit_ranges import (
    ContainerLimits,
    container_limits,
)
from tesk_taskmaster.ports import Clock

_CACHE_SECONDS = 60.0

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class LimitRangeCache:
    """Caches limits of namespaces; thread-safe."""

    _api: KubernetesApi
    _clock: Clock
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _known: dict[str, tuple[float, tuple[ContainerLimits, ...]]] = field(
        default_factory=dict
    )

    def limits_of(self, namespace: str) -> tuple[ContainerLimits, ...]:
        """Return the limits of a namespace; empty if they may not be read.

        Then the cluster itself refuses pods that exceed them.

        Raises:
            ApiUnavailableError: They cannot be read now.
        """
        now = self._clock.monotonic()
        with self._lock:
            known = self._known.get(namespace)
        if known is None or now - known[0] >= _CACHE_SECONDS:
            # No call under a lock: two that read at once read the same.
            known = (now, self._read(namespace))
            with self._lock:
                self._known[namespace] = known
        return known[1]

    def _read(self, namespace: str) -> tuple[ContainerLimits, ...]:
        try:
            found = self._api.list(LIMIT_RANGES, namespace).items
        except RefusedError as error:
            _logger.info("LimitRanges not read", extra={"cause": str(error)})
            return ()
        return tuple(each for item in found for each in container_limits(item))
