"""Posts a body to a url that the operator or a task names, without trust in its server.

Redirects are not followed, nothing of a response but its head is read, and all of it
ends by one deadline. The system's resolver alone has timeouts of its own.
"""

import http.client
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from tesk_model.locations import Location
from tesk_scheduler.adapters.webhooks.connecting import Dialer
from tesk_scheduler.adapters.webhooks.deadline import Deadline

_PORTS = {"http": 80, "https": 443}
_AS_WRITTEN = "%/:?#[]@!$&'()*+,;=~"


class Head(NamedTuple):
    """What is read of a response."""

    status: int
    retry_after: str


class Poster:
    """Posts bodies; thread-safe."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer

    def post(
        self,
        location: Location,
        body: bytes,
        headers: Mapping[str, str],
        *,
        timeout: float,
    ) -> Head:
        """Send a request and return the head of its response.

        Args:
            location: By http or https.
            body: What to send.
            headers: All but ``Host`` and the length.
            timeout: Seconds for all of it.

        Raises:
            EgressRefusedError: The host may not be connected to.
            ProxySettingError: The environment names no proxy that can be used.
            OSError: It cannot be reached, or does not answer in time.
            http.client.HTTPException: It does not speak HTTP.
        """
        opened = self._dialer.open(location, Deadline(timeout))
        connection = http.client.HTTPConnection(location.host, location.port_or_default)
        connection.default_port = _PORTS[location.scheme]
        connection.sock = opened.peer
        try:
            target = f"{location.written or '/'}{location.query}"
            target = quote(target, safe=_AS_WRITTEN)
            proxy_headers = opened.proxy_headers
            if proxy_headers is not None:
                target = f"{_server(location)}{target}"
            connection.request(
                "POST", target, body, {**headers, **(proxy_headers or {})}
            )
            response = connection.getresponse()
            return Head(response.status, response.getheader("retry-after", ""))
        finally:
            connection.close()


def _server(location: Location) -> str:
    """Return the beginning of a url: scheme, host, port."""
    host = f"[{location.host}]" if ":" in location.host else location.host
    port = f":{location.port}" if location.port else ""
    return f"{location.scheme}://{host}{port}"
