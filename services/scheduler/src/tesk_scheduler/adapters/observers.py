"""Combines several observers."""

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

_logger = logging.getLogger(__name__)


def make_observer(
    registry: CollectorRegistry, tracer: Tracer, *others: Observer
) -> Observer:
    """Return the observer that logs, traces and counts everything, and tells others."""
    own = (EventLog(), EventMetrics(registry), EventTraces(tracer))
    return Observers([*own, *others])


@dataclass(frozen=True, slots=True)
class Observers:
    """Notifies all observers, also when one fails."""

    all: Sequence[Observer]

    def happened(self, occurrence: Occurrence) -> None:
        """See ``Observer``."""
        self._notify(lambda each: each.happened(occurrence))

    def wrote(self, *, units: int, seconds: float, succeeded: bool) -> None:
        """See ``Observer``."""
        self._notify(
            lambda each: each.wrote(units=units, seconds=seconds, succeeded=succeeded)
        )

    def answered(self, method: str, code: str, seconds: float) -> None:
        """See ``Observer``."""
        self._notify(lambda each: each.answered(method, code, seconds))

    def round_ended(self, *, seconds: float, admitted: int) -> None:
        """See ``Observer``."""
        self._notify(lambda each: each.round_ended(seconds=seconds, admitted=admitted))

    def _notify(self, notify: Callable[[Observer], None]) -> None:
        for each in self.all:
            try:
                notify(each)
            except Exception:
                _logger.exception("not observed")
