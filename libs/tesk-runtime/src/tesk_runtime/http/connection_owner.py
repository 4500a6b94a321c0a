"""What a connection needs of the server that it belongs to."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol, TypeVar

from tesk_runtime.http.limits import HttpLimits
from tesk_runtime.http.parsing import Request
from tesk_runtime.http.wsgi import ConnectionAddresses, Response

ConnectionT_contra = TypeVar("ConnectionT_contra", contravariant=True)


class ConnectionOwner(Protocol[ConnectionT_contra]):
    """The server, as a connection of the kind ``ConnectionT_contra`` sees it."""

    @property
    def limits(self) -> HttpLimits:
        """The bounds."""

    @property
    def draining(self) -> bool:
        """Whether a connection ends with its present request."""

    def now(self) -> float:
        """Return the time of the loop."""

    def add_connection(self, connection: ConnectionT_contra) -> None:
        """Register a connection."""

    def remove_connection(self, connection: ConnectionT_contra) -> None:
        """Unregister a connection."""

    def reserve_memory(self, size: int) -> bool:
        """Reserve memory for bodies, or free it if negative; False: none is left."""

    def call_soon(self, function: Callable[..., None], *arguments: object) -> None:
        """Call a function in the thread of the loop; from any thread."""

    def add_stream(self, connection: ConnectionT_contra) -> bool:
        """Count a response that goes on until the connection ends; False: too many."""

    def note_slow_reader(self, connection: ConnectionT_contra) -> None:
        """Note that the client does not read its response fast enough."""

    def handle(
        self,
        request: Request,
        addresses: ConnectionAddresses,
        deliver: Callable[[Response], None],
    ) -> None:
        """Answer a request, now or later."""

    def refuse(self, status: HTTPStatus, message: str) -> Response:
        """Return the response to a request that is refused."""
