"""Answers to what never becomes a request of the application.

The server has them made: a head that is too large, a body that does not come,
too many requests at once.
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
_COME_BACK = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalResponses:
    """Makes them like all other problems; they are counted, and not logged.

    Attributes:
        new_id: Gives each a name.
    """

    metrics: RequestMetrics
    new_id: Callable[[], str]

    def __call__(self, status: HTTPStatus, message: str) -> Response:
        """Return the answer."""
        self.metrics.observe(method="none", route=ROUTE, status=status, seconds=0.0)
        name = self.new_id()
        headers = [("Content-Type", MEDIA_TYPE), (HEADER, name)]
        if status in _COME_BACK:
            headers.append(("Retry-After", "1"))
        return Response(
            f"{status.value} {status.phrase}",
            headers + security_headers(headers),
            problem_document(status, message, name),
        )
