"""Does a Docker-compatible engine answer on this machine?"""

from collections.abc import Mapping
from pathlib import Path

import httpx

_TIMEOUT = 3.0  # seconds


NO_ENGINE = "no Docker-compatible engine answers at DOCKER_HOST or the default sockets"


def container_problem(environ: Mapping[str, str], launcher: Path) -> str:
    """Say why tasks cannot run in containers here; empty if they can.

    Args:
        environ: The process' environment.
        launcher: What containers start with.
    """
    if not engine_answers(environ):
        return NO_ENGINE
    if not launcher.is_file():
        return f"the launcher is not built ({launcher}); `make launcher` builds it"
    return ""


def engine_answers(environ: Mapping[str, str]) -> bool:
    """Tell whether docker or podman answers at DOCKER_HOST or a default socket."""
    named = environ.get("DOCKER_HOST", "")
    if named:
        return _answers(named)
    return any(
        _answers(f"unix://{path}") for path in _sockets(environ) if path.exists()
    )


def _sockets(environ: Mapping[str, str]) -> tuple[Path, ...]:
    # The same places as tesk_taskmaster.adapters.container.discovery.
    runtime = Path(environ.get("XDG_RUNTIME_DIR") or "/nonexistent")
    return (
        Path("/var/run/docker.sock"),
        runtime / "docker.sock",
        runtime / "podman/podman.sock",
        Path("/run/podman/podman.sock"),
    )


def _answers(address: str) -> bool:
    scheme, _, place = address.partition("://")
    if scheme == "unix":
        transport, url = httpx.HTTPTransport(uds=place), "http://engine"
    else:
        transport, url = httpx.HTTPTransport(), f"http://{place}"
    try:
        with httpx.Client(transport=transport, timeout=_TIMEOUT) as client:
            return client.get(f"{url}/_ping").is_success
    except (httpx.TransportError, httpx.InvalidURL):
        return False
