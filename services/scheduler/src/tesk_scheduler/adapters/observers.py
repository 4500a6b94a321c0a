"""Several observers as one."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from tesk_model.spans import Tracer
from tesk_scheduler.adapters.event_log import EventLog
from tesk_scheduler.adapters.event_metrics import EventMetrics
from tesk_scheduler.adapters.event_traces import EventTraces
from tesk_scheduler.domain.occurrences import Occurrence
from tesk_scheduler.ports.observer import Observer

_LOG = logging.getLogger(__name__)


def make_observer(registry: CollectorRegistry, tracer: Tracer) -> Observer:
    """Return what logs and traces all that happens, and counts it in ``registry``."""
    return Observers([EventLog(), EventMetrics(registry), EventTraces(tracer)])


@dataclass(frozen=True, slots=True)
class Observers:
    """Tells all of them, also when one fails."""

    all: Sequence[Observer]

    def happened(self, occurrence: Occurrence) -> None:
        """See ``Observer``."""
        self._tell(lambda each: each.happened(occurrence))

    def wrote(self, *, units: int, seconds: float, succeeded: bool) -> None:
        """See ``Observer``."""
        self._tell(
            lambda each: each.wrote(units=units, seconds=seconds, succeeded=succeeded)
        )

    def answered(self, method: str, code: str, seconds: float) -> None:
        """See ``Observer``."""
        self._tell(lambda each: each.answered(method, code, seconds))

    def _tell(self, tell: Callable[[Observer], None]) -> None:
        for each in self.all:
            try:
                tell(each)
            except Exception:  # noqa: BLE001 - what is done is done, whoever fails to hear of it
                _LOG.exception("not observed")
