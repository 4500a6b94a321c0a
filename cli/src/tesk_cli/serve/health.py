"""Checks whether services answer, in a thread of its own."""

import http.client
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import urlsplit

from tesk_cli.domain.health import Health, HealthPolicy

Probe = Callable[[timedelta], bool]


class HealthMonitor:
    """Checks each service again and again, in a thread of its own."""

    def __init__(self, probes: Mapping[str, Probe], policy: HealthPolicy) -> None:
        """Start the checks, the first one interval from now.

        Args:
            probes: By name of the service; each takes a timeout and returns
                whether the service answered.
            policy: How often to check, and when a service is unresponsive.
        """
        self._probes = probes
        self._policy = policy
        self._lock = threading.Lock()
        self._health = {name: Health() for name in probes}
        self._stop = threading.Event()
        threading.Thread(target=self._run, name="health", daemon=True).start()

    def health(self, name: str) -> Health:
        """Return the health of a service since it was started."""
        with self._lock:
            return self._health[name]

    def is_unresponsive(self, name: str) -> bool:
        """Tell whether a service has stopped answering."""
        return self.health(name).is_unresponsive(self._policy)

    def reset(self, name: str) -> None:
        """Discard the health of a service that is started again."""
        with self._lock:
            self._health[name] = Health()

    def stop(self) -> None:
        """Stop the checks."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(self._policy.interval.total_seconds()):
            for name, probe in self._probes.items():
                self._check(name, probe)

    def _check(self, name: str, probe: Probe) -> None:
        with self._lock:
            before = self._health[name]
        answer = probe(self._policy.timeout)
        now = timedelta(seconds=time.monotonic())
        with self._lock:
            # Unless it was started again meanwhile.
            if self._health[name] is before:
                self._health[name] = before.after(self._policy, answer=answer, now=now)


def http_status(url: str, path: str, timeout: timedelta) -> int:
    """Return the status of a GET of our own server; 0 if it does not answer."""
    # Called every few milliseconds during a start: no client, no proxy, no TLS.
    address = urlsplit(url)
    connection = http.client.HTTPConnection(
        address.hostname or "", address.port, timeout=timeout.total_seconds()
    )
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def is_api_alive(url: str, timeout: timedelta) -> bool:
    """Tell whether the api answers."""
    return http_status(url, "/healthz", timeout) == HTTPStatus.OK


def is_scheduler_alive(address: str, timeout: timedelta) -> bool:
    """Tell whether the scheduler answers, whatever the state of its store."""
    # Imported here: commands that end before the first check need no gRPC.
    from tesk_runtime.rpc.health import answers  # noqa: PLC0415

    return answers(address, timeout)
