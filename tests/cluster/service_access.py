"""Gives the tests access to a Service of the cluster.

By its own address if that is routed, else by ``kubectl port-forward``, which is
started again when its pod is gone.
"""

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator

from cluster.kube import Kube
from programs.ports import free_port
from programs.waiting import eventually

_KNOWN_WITHIN = 10.0  # seconds


@contextlib.contextmanager
def access_service(
    kube: Kube, namespace: str, service: str, port: int
) -> Iterator[str]:
    """Yield the ``host:port`` at which a Service can be called."""
    found = kube.get("services", namespace, service)
    assert found is not None, f"no Service {service} in {namespace}"
    address = str(found["spec"]["clusterIP"])
    if not os.environ.get("TESK_E2E_FORWARD") and _is_routed(address, port):
        yield f"{address}:{port}"
        return
    with contextlib.closing(_Forward(namespace, service, port)) as forward:
        eventually(
            lambda: _answers("127.0.0.1", forward.port), what=f"a way to {service}"
        )
        yield f"127.0.0.1:{forward.port}"


def is_forwarded(host: str) -> bool:
    """Tell whether calls go through the API server."""
    return host == "127.0.0.1"


def _is_routed(address: str, port: int) -> bool:
    """Tell whether a Service, whose pods are ready, can be called at its address.

    Its node refuses calls for a moment, until it knows of the pods.
    """
    pause = threading.Event()
    deadline = time.monotonic() + _KNOWN_WITHIN
    while time.monotonic() < deadline:
        try:
            socket.create_connection((address, port), 2).close()
        except ConnectionRefusedError:
            pause.wait(0.2)
        except OSError:
            return False
        else:
            return True
    return False


def _answers(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), 2):
        return True
    return False


class _Forward:
    """A ``kubectl port-forward`` that is kept running on one local port."""

    def __init__(self, namespace: str, service: str, port: int) -> None:
        self.port = free_port()
        self._command = [
            *("kubectl", "port-forward", "-n", namespace),
            *(f"service/{service}", f"{self.port}:{port}"),
        ]
        self._stop = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def _keep(self) -> None:
        while not self._stop.is_set():
            with subprocess.Popen(
                self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as process:
                self._process = process
                if self._stop.is_set():
                    process.terminate()
                process.wait()
            self._stop.wait(0.5)

    def close(self) -> None:
        self._stop.set()
        if self._process is not None:
            self._process.terminate()
        self._thread.join()
