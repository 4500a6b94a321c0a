"""Reads the LimitRanges of task namespaces, once a minute."""

import logging
import threading
from dataclasses import dataclass, field
from datetime import timedelta

from tesk_kubernetes.api import (
    LIMIT_RANGES,
    ApiUnavailableError,
    ForbiddenError,
    KubernetesApi,
    RefusedError,
)
from tesk_taskmaster.adapters.kubernetes.control.missing_rights import MissingRight
from tesk_taskmaster.adapters.kubernetes.manifests.limit_ranges import (
    ContainerLimits,
    container_limits,
)
from tesk_taskmaster.ports import Clock

_CACHE_SECONDS = 60.0

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class LimitRangeCache:
    """Caches limits of namespaces; thread-safe.

    Without the right to read them it delays the first tasks of a namespace, but no
    later ones.
    """

    _api: KubernetesApi
    _clock: Clock
    _refusal_timeout: timedelta
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _known: dict[str, tuple[float, tuple[ContainerLimits, ...]]] = field(
        default_factory=dict
    )
    _rights: dict[str, MissingRight] = field(default_factory=dict)

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
        except ApiUnavailableError:
            with self._lock:
                self._right(namespace).restart()
            raise
        except RefusedError as error:
            if isinstance(error, ForbiddenError) and self._may_pass(namespace):
                raise ApiUnavailableError(str(error)) from error
            _logger.info("LimitRanges not read", extra={"cause": str(error)})
            return ()
        with self._lock:
            self._rights.pop(namespace, None)
        return tuple(each for item in found for each in container_limits(item))

    def _may_pass(self, namespace: str) -> bool:
        """Tell whether a right that is missing may only not be known yet."""
        with self._lock:
            return not self._right(namespace).is_final()

    def _right(self, namespace: str) -> MissingRight:
        unknown = MissingRight(self._clock, self._refusal_timeout)
        return self._rights.setdefault(namespace, unknown)
