"""Wraps the application: gives each request an id, a log line and metrics.

It also removes doubled slashes from paths: Nextflow with a trailing slash in its
endpoint requests ``//v1/tasks``, and clients do not follow redirects. Bodies and query
strings are never logged: both may hold secrets.
"""

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from tesk_api.http.browser_checks import PAGE_POLICY, security_headers
from tesk_api.http.metrics import RequestMetrics
from tesk_api.http.request_ids import HEADER, assign_request_id
from tesk_api.ports import Clock
from tesk_model.spans import Span, Tracer, task_span_id

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ROUTE = "tesk.route"
USER = "tesk.user"
TASK_ID = "tesk.task_id"
UNMATCHED = "unmatched"

_SLASHES = re.compile(r"/{2,}")
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Middleware:
    """The outermost WSGI middleware.

    Attributes:
        new_id: Returns the id of a request whose client sent none.
    """

    app: "WSGIApplication"
    metrics: RequestMetrics
    clock: Clock
    new_id: Callable[[], str]
    logger: logging.Logger
    tracer: Tracer

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Serve one request; the answer is complete when this returns."""
        started = self.clock.monotonic()
        request_id = assign_request_id(environ, self.new_id)
        status = 500

        def start(code: str, headers: list[tuple[str, str]], exc_info: object = None):  # type: ignore[no-untyped-def]  # noqa: ANN202 - WSGI's own callable
            nonlocal status
            status = int(code[:3])
            headers.append((HEADER, request_id))
            headers.extend(security_headers(headers, environ.get(PAGE_POLICY, "")))
            return start_response(code, headers, exc_info)  # type: ignore[arg-type]  # passed on unchanged

        environ["PATH_INFO"] = _plain(environ["PATH_INFO"])
        answer = self.app(environ, start)
        # One block costs the server less than an iterator.
        try:
            block = b"".join(answer)
        finally:
            if close := getattr(answer, "close", None):
                close()
        self._record(environ, status, self.clock.monotonic() - started)
        return [block]

    def _record(self, environ: "WSGIEnvironment", status: int, seconds: float) -> None:
        route = environ.get(ROUTE, UNMATCHED)
        method = environ["REQUEST_METHOD"]
        self.metrics.observe(method=method, route=route, status=status, seconds=seconds)
        if method == "POST" and environ.get(TASK_ID):
            self._trace(environ, f"POST {route}", status, seconds)
        self.logger.log(
            logging.DEBUG if route in _QUIET else logging.INFO,
            "request",
            extra={
                "method": method[:16],
                "route": route,
                "status": status,
                "ms": round(seconds * 1000, 1),
                "request_id": environ["tesk.request_id"],
                "user": environ.get(USER, ""),
                "task_id": environ.get(TASK_ID, ""),
            },
        )

    def _trace(
        self, environ: "WSGIEnvironment", name: str, status: int, seconds: float
    ) -> None:
        """Record what a client asked of a task; reads are too many."""
        task_id, now = environ[TASK_ID], self.clock.now()
        self.tracer.record(
            Span(
                name=name,
                task_id=task_id,
                parent=task_span_id(task_id),
                start=now - timedelta(seconds=seconds),
                end=now,
                failed=status >= HTTPStatus.INTERNAL_SERVER_ERROR,
                attributes={
                    "http.response.status_code": status,
                    "tesk.request_id": environ["tesk.request_id"],
                },
            )
        )


def _plain(path: str) -> str:
    """Return ``path`` without doubled slashes and one at its end."""
    if "//" not in path and not path.endswith("/"):
        return path
    return _SLASHES.sub("/", path).rstrip("/") or "/"
