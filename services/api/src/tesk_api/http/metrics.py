"""Counts requests for Prometheus; clients cannot add label values."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class RequestMetrics:
    """Counts requests and their time by method, route and status."""

    def __init__(self, *, shared_folder: str = "") -> None:
        """Start from zero.

        Args:
            shared_folder: Folder in which several worker processes keep their
                values, so that each can render the sum; empty for one process.
        """
        self._registry = CollectorRegistry()
        self._shared_folder = shared_folder
        self._seconds = Histogram(
            "tesk_api_request_seconds",
            "Time from the first byte of a request to its answer.",
            ("method", "route", "status"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        # Finding a series by its labels costs more than adding to it.
        self._series: dict[tuple[str, str, int], Histogram] = {}

    def observe(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        name = (method if method in _METHODS else "other", route, status)
        series = self._series.get(name)
        if series is None:
            series = self._series[name] = self._seconds.labels(*name)
        series.observe(seconds)

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        if not self._shared_folder:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=self._shared_folder)  # type: ignore[no-untyped-call]  # it ships no types
        return generate_latest(registry)


def metrics_app(metrics: RequestMetrics) -> "WSGIApplication":
    """Return the application of an address that serves metrics alone."""

    def serve(
        environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/metrics":
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"metrics are at /metrics\n"]
        start_response("200 OK", [("Content-Type", MEDIA_TYPE)])
        return [metrics.render()]

    return serve
