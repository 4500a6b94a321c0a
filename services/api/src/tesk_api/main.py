"""Start the api: settings, wiring, server.

The server runs worker processes. All that talks (channel, threads) is made
inside a worker, after it has been forked; the parent only watches.
"""

import functools
import logging
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server import Server

from tesk_api.config import ApiSettings, Settings
from tesk_runtime import logs
from tesk_runtime.clock import SystemClock
from tesk_runtime.sections import read_tls_ca, read_token
from tesk_runtime.settings import SettingsError, load

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from tesk_api.adapters.turnstile import Turnstile
    from tesk_api.domain.service_info import ServiceInfo
    from tesk_api.ports import Authenticator

_EX_CONFIG = 78
_EX_UNAVAILABLE = 69
_PASSWORDS_AT_ONCE = 2
_TURN_PATIENCE = timedelta(seconds=2)
_PASSWORDS = "too many passwords are being checked"
_BODIES = "too many large bodies are being read"


def main() -> None:
    """Serve until SIGTERM or SIGINT; exit 0 when all requests are answered."""
    try:
        settings = load(Settings, os.environ)
        token = read_token(settings.grpc.token_file)
        read_tls_ca(settings.grpc)
        _authenticator(settings.api)
    except (SettingsError, ValueError) as error:
        sys.stderr.write(f"tesk-api: {error}\n")
        sys.exit(_EX_CONFIG)
    logs.configure("api", settings.log)
    try:
        _check_address(settings.api)
    except OSError as error:
        sys.stderr.write(
            f"tesk-api: cannot listen on {settings.api.host}:{settings.api.port} "
            f"(HOST, PORT): {error.strerror or error}\n"
        )
        sys.exit(_EX_UNAVAILABLE)
    with tempfile.TemporaryDirectory(prefix="tesk-api-") as folder:
        _serve(settings, token, folder if settings.api.workers > 1 else "")


def _serve(settings: Settings, token: str, metrics_folder: str) -> None:
    if metrics_folder:
        # prometheus_client reads this, and nothing else, when it is imported.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics_folder
    # A worker must not fork with gRPC's handlers waiting for threads.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    build = functools.partial(_application, settings, token, metrics_folder)
    server = _server(settings.api)
    logging.getLogger(__name__).info(
        "serving",
        extra={"url": f"http://{settings.api.host}:{settings.api.port}"},
    )
    server.serve(target_loader=build, wrap_loader=False)
    logging.getLogger(__name__).info("stopped")


def _server(settings: ApiSettings) -> Any:
    return Server(
        "tesk_api",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.workers,
        blocking_threads=settings.threads,
        # Idle threads stay: starting one costs more than it holds.
        blocking_threads_idle_timeout=600,
        backpressure=max(settings.threads * 4, 128),
        http1_settings=HTTP1Settings(),
        log_enabled=False,
        respawn_failed_workers=True,
        workers_kill_timeout=max(1, int(settings.drain.total_seconds())),
    )


def _check_address(settings: ApiSettings) -> None:
    """Raise OSError if the address cannot be had.

    The server shares its port between workers, and would as gladly share it
    with a stranger.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        settings.host,
        settings.port,
        type=socket.SOCK_STREAM,
        flags=socket.AI_PASSIVE,
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


def _application(
    settings: Settings, token: str, metrics_folder: str
) -> "WSGIApplication":
    """Build the application, in a worker process."""
    # Until the server sets its own handlers, a worker has its parent's, which
    # would swallow a signal to stop.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    # Imported here: the parent needs none of it, and prometheus_client decides
    # at import how it counts.
    from tesk_api.adapters.names import unique_names  # noqa: PLC0415
    from tesk_api.adapters.scheduler_client import (  # noqa: PLC0415
        SERVICE,
        CallTimes,
        SchedulerClient,
    )
    from tesk_api.http.app import AppOptions, Parts, create_app  # noqa: PLC0415
    from tesk_api.http.metrics import RequestMetrics  # noqa: PLC0415
    from tesk_api.usecases import Tasks  # noqa: PLC0415
    from tesk_runtime.rpc.channel import open_channel  # noqa: PLC0415
    from tesk_runtime.rpc.tls import channel_credentials  # noqa: PLC0415

    _end_with_parent()
    api = settings.api
    channel = open_channel(
        settings.grpc.scheduler,
        token=token,
        retried=(SERVICE,),
        credentials=channel_credentials(settings.grpc),
    )
    # Keys have a source of their own: in open mode, who guesses another's key
    # gets another's task. The names of requests are shown to everybody.
    client = SchedulerClient(channel, times=CallTimes(), new_key=unique_names())
    return create_app(
        Parts(
            tasks=Tasks(gateway=client),
            authenticator=_authenticator(api),
            bodies=_body_room(api),
            info=_service_info(api),
            metrics=RequestMetrics(shared_folder=metrics_folder),
            clock=SystemClock(),
            new_id=unique_names(),
        ),
        AppOptions(
            body_limit=api.body_limit,
            cors_origins=api.cors_origins,
            refuse_unknown_fields=api.refuse_unknown_fields,
            queued_as_initializing=api.show_queued_as_initializing,
            trusted_proxies=api.trusted_proxies,
        ),
    )


def _authenticator(settings: ApiSettings) -> "Authenticator":
    """Return who tells callers apart; OpenID Connect will be a third way.

    Raises:
        ValueError: The files of users are not usable.
    """
    if settings.auth == "none":
        from tesk_api.adapters.open_access import OpenAccess  # noqa: PLC0415 - as above

        return OpenAccess()
    from tesk_api.adapters.basic_access import (  # noqa: PLC0415 - as above
        MEMORY,
        BasicAccess,
        Checks,
    )
    from tesk_api.adapters.user_files import AccessFiles  # noqa: PLC0415 - as above

    if not settings.users_file:
        raise ValueError("api.users_file (TESK_API_USERS_FILE): is needed for basic")
    files = AccessFiles(
        users=Path(settings.users_file),
        groups=Path(settings.groups_file) if settings.groups_file else None,
        admin_group=settings.admin_group,
    )
    # Threads stay free for those who are known already.
    checks = Checks(
        strangers=_turnstile(settings, _PASSWORDS, inside=_PASSWORDS_AT_ONCE),
        familiar=_turnstile(settings, _PASSWORDS, inside=1),
    )
    return BasicAccess(files, clock=SystemClock(), memory=MEMORY, checks=checks)


def _turnstile(settings: ApiSettings, what: str, *, inside: int) -> "Turnstile":
    from tesk_api.adapters.turnstile import Turnstile  # noqa: PLC0415 - as above

    return Turnstile(
        inside=inside,
        waiting=settings.threads // 4,
        patience=_TURN_PATIENCE,
        refusal=f"{what}; try again later",
    )


def _body_room(settings: ApiSettings) -> "Turnstile":
    """Return what bounds the memory of bodies: that of the largest one."""
    from tesk_api.http.json_bodies import most_memory  # noqa: PLC0415 - as above

    room = most_memory(settings.body_limit)
    return _turnstile(settings, _BODIES, inside=room)


def _service_info(settings: ApiSettings) -> "ServiceInfo":
    from tesk_api.domain.service_info import ServiceInfo  # noqa: PLC0415 - as above

    return ServiceInfo(
        id=settings.service_id,
        name=settings.service_name,
        version=version("tesk-api"),
        organization_name=settings.organization_name,
        organization_url=settings.organization_url,
        description=settings.service_description,
        contact_url=settings.contact_url,
        documentation_url=settings.documentation_url,
        environment=settings.environment,
        created_at=settings.created_at,
        updated_at=settings.updated_at,
        storage=settings.storage,
        backend_parameters=settings.backend_parameters,
    )


def _end_with_parent(
    end: Callable[[int, int], None] = os.kill,
) -> None:
    """Stop this worker when its parent is gone: an orphan would keep the port."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        end(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
