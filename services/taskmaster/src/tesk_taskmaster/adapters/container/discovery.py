"""Finds a container engine on this machine, or reports why there is none.

Files of this machine are bind-mounted into executors, so an engine on another
machine cannot be used: it would mount its own files, or none.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from docker import APIClient
from docker.errors import DockerException
from docker.utils import kwargs_from_env

from tesk_model.errors import UnavailableError
from tesk_taskmaster.adapters.container.api import ContainerApi
from tesk_taskmaster.adapters.container.config import ContainerOptions, EngineTraits
from tesk_taskmaster.adapters.container.engine import ContainerEngine

_CONNECT_TIMEOUT = 10  # seconds; a busy machine answers late
_CALL_TIMEOUT = 60
_MAX_CONNECTIONS = 64  # one per container that is waited for, and some more
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1", ""})
_LOCAL_SCHEMES = frozenset({"unix", "http+unix"})

_logger = logging.getLogger(__name__)


def open_container_engine(
    environ: Mapping[str, str],
    *,
    launcher: Path,
    home: Path,
    options: ContainerOptions | None = None,
) -> ContainerEngine:
    """Connect to the engine that ``DOCKER_HOST`` names, or to a default socket.

    Args:
        environ: The process' environment: ``DOCKER_HOST``, ``DOCKER_TLS_VERIFY``,
            ``DOCKER_CERT_PATH``, ``XDG_RUNTIME_DIR``.
        launcher: The launcher's binary; readable and executable by everyone.
        home: Folder of this TESK; only its own containers are touched.
        options: None: the defaults.

    Raises:
        UnavailableError: There is none; the message says what was tried and why
            each failed.
    """
    _check_launcher(launcher)
    client, traits = find_engine(environ)
    options = options or ContainerOptions()
    if traits.isolation_lapses and options.network == "loopback-free":
        _logger.warning(
            "with iptables this engine may let tasks reach each other; "
            "see docs/security.md",
            extra={"engine": f"{traits.product} {traits.version}"},
        )
    return ContainerEngine(
        ContainerApi(client),
        traits=traits,
        launcher=launcher,
        home=home,
        options=options,
    )


def engine_problem(environ: Mapping[str, str], launcher: Path) -> str:
    """Return why ``open_container_engine`` finds no engine; "" if it finds one."""
    try:
        _check_launcher(launcher)
        client, _ = find_engine(environ)
    except UnavailableError as error:
        return str(error)
    client.close()
    return ""


def find_engine(environ: Mapping[str, str]) -> tuple[APIClient, EngineTraits]:
    """Connect to an engine; see ``open_container_engine``."""
    problems = []
    for host in engine_hosts(environ):
        problem = host_problem(host)
        if problem is None:
            try:
                return _connect(host, environ)
            except (DockerException, OSError) as error:
                problem = _first_cause(error)
        problems.append(f"{host}: {problem}")
    raise UnavailableError("no container engine answers: " + "; ".join(problems))


def engine_hosts(environ: Mapping[str, str]) -> Sequence[str]:
    """Return where an engine may listen: ``DOCKER_HOST``, or else default sockets."""
    if named := environ.get("DOCKER_HOST"):
        return (named,)
    sockets = ["/var/run/docker.sock"]
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        sockets += [f"{runtime}/docker.sock", f"{runtime}/podman/podman.sock"]
    return [f"unix://{path}" for path in [*sockets, "/run/podman/podman.sock"]]


def host_problem(host: str) -> str | None:
    """Return why the engine at ``host`` cannot be used; None if it can."""
    parts = urlsplit(host)
    if parts.scheme in _LOCAL_SCHEMES:
        path = parts.path
        return None if Path(path).is_socket() else "there is no such socket"
    if (parts.hostname or "") in _LOCAL_HOSTS and parts.scheme in {"tcp", "http"}:
        return None
    if parts.scheme == "https" and parts.hostname in _LOCAL_HOSTS:
        return None
    return (
        "the engine is on another machine and would not see the files of tasks; "
        "TESK needs an engine on this machine"
    )


def _check_launcher(launcher: Path) -> None:
    if not launcher.is_file():
        raise UnavailableError(
            f"the launcher is not built ({launcher}); `make launcher` builds it"
        )


def _connect(host: str, environ: Mapping[str, str]) -> tuple[APIClient, EngineTraits]:
    options = kwargs_from_env(dict(environ) | {"DOCKER_HOST": host})
    client = APIClient(
        **options,
        version="auto",
        timeout=_CONNECT_TIMEOUT,
        num_pools=_MAX_CONNECTIONS,
        max_pool_size=_MAX_CONNECTIONS,
    )
    info, version = client.info(), client.version()
    client.timeout = _CALL_TIMEOUT
    components = version.get("Components") or [{}]
    traits = EngineTraits(
        product=str(components[0].get("Name", "container engine")),
        version=str(version.get("Version", "")),
        cpus=int(info["NCPU"]),
        limits_cpu=bool(info.get("CpuCfsQuota")),
        limits_memory=bool(info.get("MemoryLimit")),
        limits_processes=bool(info.get("PidsLimit", True)),
    )
    return client, traits


def _first_cause(error: BaseException) -> str:
    """Return the first cause: the SDK wraps it several times."""
    seen = error
    while (cause := seen.__cause__ or seen.__context__) is not None:
        seen = cause
    if isinstance(seen, PermissionError):
        return "permission denied; may this user use the engine?"
    return str(seen)
