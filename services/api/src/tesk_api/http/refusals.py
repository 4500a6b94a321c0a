"""Builds responses to requests that the server refuses before the application.

For example: headers that are too large, a body that does not arrive, too many requests
at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from tesk_api.http.browser_checks import security_headers
from tesk_api.http.metrics import RequestMetrics
from tesk_api.http.problems import MEDIA_TYPE, problem_document
from tesk_api.http.request_ids import HEADER
from tesk_runtime.http.wsgi import Response

ROUTE = "refused"
_RETRYABLE = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalResponses:
    """Builds problem documents; counts refusals, but does not log them.

    Attributes:
        new_id: Returns the id of a request.
    """

    metrics: RequestMetrics
    new_id: Callable[[], str]

    def __call__(self, status: HTTPStatus, message: str) -> Response:
        """Return the response."""
        self.metrics.observe(method="none", route=ROUTE, status=status, seconds=0.0)
        request_id = self.new_id()
        headers = [("Content-Type", MEDIA_TYPE), (HEADER, request_id)]
        if status in _RETRYABLE:
            headers.append(("Retry-After", "1"))
        return Response(
            f"{status.value} {status.phrase}",
            headers + security_headers(headers),
            problem_document(status, message, request_id),
        )
