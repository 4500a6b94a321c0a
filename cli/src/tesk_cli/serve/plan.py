"""Checks the plan of a server and builds the environment of its services; pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tesk_cli.serve.errors import ServeError
from tesk_model.hosts import is_loopback
from tesk_model.schemes import REMOTE_URLS


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPlan:
    """How to run one server on this machine.

    Attributes:
        port: 0 for any free port.
        engine: ``auto``, ``container`` or ``sandbox``.
        file_roots: Absolute folders that file:// may read and write.
        read_roots: Absolute folders that it may only read.
        protected: More files and folders that it never touches.
        references: Absolute folders with reference data, by name.
        environ: Environment that the services inherit.
        storage: The storage of service-info; empty if the settings name it.
        verbose: Log to stderr instead of files.
    """

    host: str
    port: int
    home: Path
    engine: str
    file_roots: tuple[Path, ...]
    environ: Mapping[str, str]
    read_roots: tuple[Path, ...] = ()
    protected: tuple[str, ...] = ()
    references: Mapping[str, Path] = field(default_factory=dict)
    storage: tuple[str, ...] = ()
    verbose: bool = False


def server_url(host: str, port: int) -> str:
    """Return the url at which this machine reaches a server bound to ``host``."""
    loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
    name = loopback.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def choose_engine(plan: ServerPlan, *, container_problem: str) -> str:
    """Return the engine for the services.

    Args:
        plan: The plan of the server.
        container_problem: Why containers cannot be used; empty if they can.

    Raises:
        ServeError: The engine is not available, or is the sandbox while other
            machines could reach the server: a task in the sandbox runs this
            machine's programs, so it is for its user alone.
    """
    if plan.engine == "container" and container_problem:
        msg = f"TESK_ENGINE=container: {container_problem}; or set TESK_ENGINE=sandbox"
        raise ServeError(msg)
    engine = plan.engine
    if engine == "auto":
        engine = "sandbox" if container_problem else "container"
    if engine == "sandbox" and not is_loopback(plan.host):
        msg = (
            f"HOST={plan.host} would let other machines run programs on this one:"
            " the sandbox engine serves 127.0.0.1 only; leave HOST unset, or use"
            f" containers ({container_problem or 'TESK_ENGINE=container'})"
        )
        raise ServeError(msg)
    return engine


def storage_urls(file_roots: tuple[Path, ...]) -> tuple[str, ...]:
    """Return the storage urls of service-info, local folders included.

    Toil mounts its job store only if its url begins with one of these.
    """
    return (*REMOTE_URLS, *(f"{root.as_uri().rstrip('/')}/" for root in file_roots))


def service_environ(
    plan: ServerPlan,
    *,
    engine: str,
    token_file: Path,
    socket: Path,
    storage_socket: Path | None,
) -> dict[str, str]:
    """Return the environment of the services, as docs/architecture.md says.

    Args:
        plan: The plan of the server.
        engine: Chosen for it.
        token_file: With the internal token.
        socket: Of the scheduler.
        storage_socket: Of what looks at storages; None if there is none.
    """
    checks = f"unix:{storage_socket}" if storage_socket else ""
    storage = {"TESK_API_STORAGE": ",".join(plan.storage)} if plan.storage else {}
    return dict(plan.environ) | {
        "HOST": plan.host,
        "PORT": str(plan.port),
        "TESK_HOME": str(plan.home),
        "TESK_ENGINE": engine,
        "TESK_FILE_ROOTS": ":".join(str(root) for root in plan.file_roots),
        "TESK_FILE_READ_ROOTS": ":".join(str(root) for root in plan.read_roots),
        "TESK_PROTECTED": ":".join(plan.protected),
        # JSON is YAML.
        "TESK_REFERENCES": json.dumps(
            {name: str(folder) for name, folder in plan.references.items()}
        ),
        "TESK_GRPC_TOKEN_FILE": str(token_file),
        "TESK_GRPC_SCHEDULER": f"unix:{socket}",
        "TESK_SCHEDULER_LISTEN": f"unix:{socket}",
        **(
            {"TESK_GRPC_STORAGE": checks, "TESK_FILER_LISTEN": checks} if checks else {}
        ),
        **storage,
    }
