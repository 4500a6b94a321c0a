"""HTTP while the pods that answer are being replaced."""

import threading
import time

import httpx


class PatientTransport(httpx.HTTPTransport):
    """Asks again for what may be asked again, while pods are being replaced."""

    PATIENCE = 60.0
    _pause = threading.Event()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send; a GET again and again, anything else once."""
        deadline = time.monotonic() + self.PATIENCE
        while True:
            try:
                response = super().handle_request(request)
            except httpx.TransportError:
                if request.method != "GET" or time.monotonic() > deadline:
                    raise
            else:
                passing = response.status_code in (502, 503, 504)
                if not passing or request.method != "GET":
                    return response
                if time.monotonic() > deadline:
                    return response
                response.close()
            self._pause.wait(0.2)
