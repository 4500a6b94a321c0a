"""Starts the api: settings, wiring, server.

Channel and threads are made in the process that serves: with several workers that is a
child, and the parent only supervises.
"""

import functools
import logging
import os
import resource
import socket
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from tesk_api.config import ApiSettings, Settings
from tesk_api.domain.backend_parameters import with_attempt_parameters
from tesk_api.domain.offers import Offer, StorageSettings, make_offer, reference_names
from tesk_model.hosts import is_loopback
from tesk_model.references import root_url
from tesk_model.url_lists import parse_url_lists, parse_url_patterns
from tesk_runtime import logs, process_memory
from tesk_runtime.clock import SystemClock
from tesk_runtime.http.limits import HttpLimits
from tesk_runtime.http.process import (
    Endpoint,
    listen,
    serve_by_workers,
    serve_endpoints,
)
from tesk_runtime.http.server import Service
from tesk_runtime.sections import read_tls_ca, read_token
from tesk_runtime.settings import SettingsError, load
from tesk_runtime.tracing import open_tracer
from tesk_runtime.unknown_variables import log_unknown_variables

if TYPE_CHECKING:
    from tesk_api.adapters.fair_semaphore import FairSemaphore
    from tesk_api.domain.service_info import ServiceInfo
    from tesk_api.http.app import AppOptions, Dependencies
    from tesk_api.ports import Authenticator

_EX_CONFIG = 78
_EX_UNAVAILABLE = 69
# Short: a create must be answered before its client repeats it.
_BODY_TIMEOUT = timedelta(seconds=0.5)
# Short: requests wait for a scheduler that restarts.
_MAX_RECONNECT_PAUSE = timedelta(seconds=0.3)
_URGENT = frozenset({b"/healthz", b"/metrics"})
# Descriptors beside those of clients' connections; those of the readers of metrics,
# a handful of programs, are among them.
_SPARE_DESCRIPTORS = 128
_METRICS_CONNECTIONS = 32


def main() -> None:
    """Serve until SIGTERM or SIGINT; exit 0 when all requests are answered."""
    try:
        settings = load(Settings, os.environ)
        token = read_token(settings.grpc.token_file)
        read_tls_ca(settings.grpc)
        _authenticator(settings.api)
        _offer(settings)
    except (SettingsError, ValueError) as error:
        sys.stderr.write(f"tesk-api: {error}\n")
        sys.exit(_EX_CONFIG)
    logs.configure("api", settings.log)
    log_unknown_variables(os.environ, Settings)
    api = settings.api
    listeners = [_listen(api.host, api.port, "HOST, PORT")]
    if api.metrics_listen:
        host, _, port = api.metrics_listen.rpartition(":")
        listeners.append(_listen(host, int(port), "TESK_API_METRICS_LISTEN"))
    with tempfile.TemporaryDirectory(prefix="tesk-api-") as folder:
        _serve(settings, token, listeners, folder if api.workers > 1 else "")


def _listen(host: str, port: int, setting: str) -> socket.socket:
    try:
        return listen(host, port)
    except OSError as error:
        sys.stderr.write(
            f"tesk-api: cannot listen on {host}:{port} ({setting}): "
            f"{error.strerror or error}\n"
        )
        sys.exit(_EX_UNAVAILABLE)


def _serve(
    settings: Settings,
    token: str,
    listeners: Sequence[socket.socket],
    metrics_folder: str,
) -> None:
    if metrics_folder:
        # prometheus_client reads this, and nothing else, when it is imported.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics_folder
        # A worker must not fork with gRPC's handlers waiting for threads.
        os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    api = settings.api
    endpoints = functools.partial(
        _endpoints, settings, token, listeners, metrics_folder
    )
    logger = logging.getLogger(__name__)
    logger.info("serving", extra={"url": f"http://{api.host}:{api.port}"})
    if api.workers > 1:
        serve_by_workers(endpoints, api.drain, workers=api.workers)
    else:
        serve_endpoints(endpoints, api.drain)
    logger.info("stopped")


def _endpoints(
    settings: Settings,
    token: str,
    listeners: Sequence[socket.socket],
    metrics_folder: str,
) -> list[Endpoint]:
    """Build the services, in the process that serves them."""
    # Imported here: a parent needs none of it, and prometheus_client decides
    # at import how it counts.
    from tesk_api.http.app import create_app  # noqa: PLC0415
    from tesk_api.http.metrics import metrics_app  # noqa: PLC0415
    from tesk_api.http.refusals import RefusalResponses  # noqa: PLC0415

    process_memory.return_large_blocks()
    api = settings.api
    dependencies = _dependencies(settings, token, metrics_folder)
    services = [
        Service(
            app=create_app(dependencies, _options(settings)),
            threads=api.threads,
            urgent=_URGENT,
            refuse=RefusalResponses(
                metrics=dependencies.metrics, new_id=dependencies.new_id
            ),
        ),
        Service(app=metrics_app(dependencies.metrics), threads=1),
    ]
    process_memory.tune_collector()
    limits = _limits(api)
    few = replace(limits, connections=_METRICS_CONNECTIONS, body_bytes=0)
    return [
        Endpoint(*parts)
        for parts in zip(listeners, services, (limits, few), strict=False)
    ]


def _options(settings: Settings) -> "AppOptions":
    from tesk_api.domain.allowed_origins import AllowedOrigins  # noqa: PLC0415 - as above
    from tesk_api.http.app import AppOptions  # noqa: PLC0415 - as above

    api = settings.api
    loopback = is_loopback(api.host)
    return AppOptions(
        body_limit=api.body_limit,
        allowed_origins=AllowedOrigins(
            loopback=loopback,
            allowed_hosts=api.allowed_hosts,
            origins=api.cors_origins,
        ),
        show_metrics=loopback and not api.metrics_listen,
        refuse_unknown_fields=api.refuse_unknown_fields,
        queued_as_initializing=api.show_queued_as_initializing,
        trusted_proxies=api.trusted_proxies,
        offer=_offer(settings),
    )


def _limits(settings: ApiSettings) -> HttpLimits:
    """Return the limits; raises the number of files that this process may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.connections + _SPARE_DESCRIPTORS
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    connections = max(1, min(settings.connections, soft - _SPARE_DESCRIPTORS))
    return HttpLimits(
        connections=connections,
        streams=connections // 2,
        requests=settings.waiting,
        body_bytes=settings.body_limit,
        memory=max(HttpLimits().memory, 4 * settings.body_limit),
        head_time=settings.header_timeout,
        body_time=settings.body_timeout,
        send_time=settings.send_timeout,
        idle_time=settings.idle_timeout,
    )


def _dependencies(
    settings: Settings, token: str, metrics_folder: str
) -> "Dependencies":
    from tesk_api.adapters.load_client import LoadClient  # noqa: PLC0415 - as above
    from tesk_api.adapters.scheduler_client import (  # noqa: PLC0415 - as above
        SERVICE,
        SchedulerClient,
    )
    from tesk_api.adapters.unique_ids import id_generator  # noqa: PLC0415 - as above
    from tesk_api.http.app import Dependencies  # noqa: PLC0415 - as above
    from tesk_api.http.metrics import RequestMetrics  # noqa: PLC0415 - as above
    from tesk_api.wiring import open_checks  # noqa: PLC0415 - as above
    from tesk_runtime.rpc.channel import open_channel  # noqa: PLC0415 - as above
    from tesk_runtime.rpc.tls import channel_credentials  # noqa: PLC0415 - as above

    channel = open_channel(
        settings.grpc.scheduler,
        token=token,
        retried=(SERVICE,),
        credentials=channel_credentials(settings.grpc),
        max_reconnect_backoff=_MAX_RECONNECT_PAUSE,
    )
    # Keys have a generator of their own: in open mode a guessed key gives access to the
    # task of another client, and ids of requests are shown to every client.
    client = SchedulerClient(channel, new_key=id_generator())
    storage, slots = open_checks(settings, token)
    return Dependencies(
        tasks=client,
        load=LoadClient(channel),
        authenticator=_authenticator(settings.api),
        body_memory=_body_memory(settings.api),
        info=_service_info(settings.api, settings.references),
        metrics=RequestMetrics(shared_folder=metrics_folder),
        clock=SystemClock(),
        new_id=id_generator(),
        tracer=open_tracer("api", settings.tracing),
        storage=storage,
        check_slots=slots,
    )


def _offer(settings: Settings) -> Offer:
    schemes = make_offer(
        StorageSettings(
            written=settings.api.storage,
            read=settings.api.read_storage,
            has_file_roots=bool(settings.local.file_roots),
            has_read_roots=bool(settings.local.read_roots),
        )
    )
    urls = parse_url_lists(settings.urls.allow, settings.urls.deny)
    index_pages = parse_url_patterns(
        settings.urls.index_pages, "urls.index_pages (TESK_URLS_INDEX_PAGES)"
    )
    names = reference_names(settings.references)
    return Offer(schemes=schemes, urls=urls, references=names, index_pages=index_pages)


def _authenticator(settings: ApiSettings) -> "Authenticator":
    """Return the authenticator of ``api.auth``.

    Raises:
        ValueError: The files of users are not usable.
    """
    if settings.auth == "none":
        from tesk_api.adapters.open_access import OpenAccess  # noqa: PLC0415 - as above

        return OpenAccess()
    from tesk_api.adapters.basic_access import (  # noqa: PLC0415 - as above
        CACHE_TTL,
        BasicAccess,
        PasswordChecks,
    )
    from tesk_api.adapters.user_files import AccessFiles  # noqa: PLC0415 - as above

    if not settings.users_file:
        raise ValueError("api.users_file (TESK_API_USERS_FILE): is needed for basic")
    files = AccessFiles(
        users=Path(settings.users_file),
        groups=Path(settings.groups_file) if settings.groups_file else None,
        admin_group=settings.admin_group,
    )
    # Threads stay free for users whose success is cached.
    checks = PasswordChecks.with_queues_of(settings.threads // 4)
    return BasicAccess(files, clock=SystemClock(), cache_ttl=CACHE_TTL, checks=checks)


def _body_memory(settings: ApiSettings) -> "FairSemaphore":
    """Return the limit of the memory of bodies: that of the largest one."""
    from tesk_api.adapters.fair_semaphore import FairSemaphore  # noqa: PLC0415 - as above
    from tesk_api.http.json_bodies import max_memory  # noqa: PLC0415 - as above

    return FairSemaphore(
        capacity=max_memory(settings.body_limit),
        max_waiting=settings.threads // 4,
        timeout=_BODY_TIMEOUT,
        message="too many large bodies are being read; try again later",
    )


def _service_info(settings: ApiSettings, references: tuple[str, ...]) -> "ServiceInfo":
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
        storage=(*settings.storage, *settings.read_storage, *map(root_url, references)),
        backend_parameters=with_attempt_parameters(settings.backend_parameters),
    )
