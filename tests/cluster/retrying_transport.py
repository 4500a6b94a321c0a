"""Retries HTTP requests while pods of a service are replaced."""

import threading
import time

import httpx


class RetryingTransport(httpx.HTTPTransport):
    """Retries GET requests while pods are replaced."""

    TIMEOUT = 60.0
    _pause = threading.Event()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send; a GET repeatedly, any other request once."""
        deadline = time.monotonic() + self.TIMEOUT
        while True:
            try:
                response = super().handle_request(request)
            except httpx.TransportError:
                if request.method != "GET" or time.monotonic() > deadline:
                    raise
            else:
                is_temporary = response.status_code in (502, 503, 504)
                if not is_temporary or request.method != "GET":
                    return response
                if time.monotonic() > deadline:
                    return response
                response.close()
            self._pause.wait(0.2)
