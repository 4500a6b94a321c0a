"""Builds the Flask application."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Flask, Response, request
from flask_cors import CORS
from werkzeug.routing import BaseConverter

from tesk.v1 import task_pb2 as pb
from tesk_api.domain.allowed_origins import AllowedOrigins
from tesk_api.domain.offers import Offer
from tesk_api.domain.service_info import ServiceInfo
from tesk_api.http.batches import BatchOperations, batches_blueprint
from tesk_api.http.browser_checks import register_browser_checks
from tesk_api.http.call_cache import call_cache_blueprint
from tesk_api.http.identity import Identify, caller_identifier
from tesk_api.http.live import live_blueprint
from tesk_api.http.metrics import RequestMetrics
from tesk_api.http.middleware import ROUTE, UNMATCHED, Middleware
from tesk_api.http.openapi import openapi_document
from tesk_api.http.operations import operations_blueprint, ui_blueprint
from tesk_api.http.problems import register_problems
from tesk_api.http.reports import reports_blueprint
from tesk_api.http.rounds import HEARTBEAT
from tesk_api.http.service_info import service_info_blueprint
from tesk_api.http.task_checks import CheckOperations, checks_blueprint
from tesk_api.http.task_parsing import TaskParser
from tesk_api.http.tasks import BodyReader, TaskOperations, tasks_blueprint
from tesk_api.http.views import TaskViews
from tesk_api.http.web.load_page import LoadPage
from tesk_api.http.web.pages import WebPages, web_blueprint
from tesk_api.http.web.task_page import TaskPage
from tesk_api.ports import (
    Authenticator,
    Clock,
    LoadReader,
    NoLimit,
    NoStorage,
    Semaphore,
    StorageGateway,
    TaskGateway,
)
from tesk_api.usecases.task_checks import TaskChecks
from tesk_model.spans import NoTracer, Tracer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

# The first is the specification's; Nextflow, Snakemake, Toil and Galaxy append the
# second to the server's address.
BASES = {"tes": "/ga4gh/tes/v1", "tes_short": "/v1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AppOptions:
    """Options of the REST API.

    Attributes:
        body_limit: Bytes of the largest request body.
        allowed_origins: Which web pages may call the server, by which host names.
        show_metrics: Serve ``/metrics`` beside the API.
        refuse_unknown_fields: 400 for fields that TES does not know.
        queued_as_initializing: Show QUEUED as INITIALIZING.
        trusted_proxies: How many proxies in front add the address of their client.
        offer: Which urls tasks may use.
        heartbeat: Seconds after which those who listen are told that the server lives.
    """

    body_limit: int = 16 * 1024 * 1024
    allowed_origins: AllowedOrigins = field(default_factory=AllowedOrigins)
    show_metrics: bool = True
    refuse_unknown_fields: bool = False
    queued_as_initializing: bool = False
    trusted_proxies: int = 0
    offer: Offer = field(default_factory=Offer)
    heartbeat: float = HEARTBEAT


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """The objects that the application uses.

    Attributes:
        body_memory: Bounds the memory of all bodies together.
        storage: Looks at the urls of tasks that are checked.
        check_slots: Bounds the checks that run at once.
    """

    tasks: TaskGateway[pb.Task]
    load: LoadReader
    authenticator: Authenticator
    body_memory: Semaphore
    info: ServiceInfo
    metrics: RequestMetrics
    clock: Clock
    new_id: Callable[[], str]
    tracer: Tracer = field(default_factory=NoTracer)
    storage: StorageGateway = field(default_factory=NoStorage)
    check_slots: Semaphore = field(default_factory=NoLimit)

    @property
    def checks(self) -> TaskChecks:
        """Returns what checks tasks."""
        return TaskChecks(
            tasks=self.tasks, storage=self.storage, slots=self.check_slots
        )


class _TaskIdConverter(BaseConverter):
    # Excludes the colon of ":cancel"; ``parse_task_id`` validates the id.
    regex = "[^/:]+"


class _SynchronousFlask(Flask):
    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        # No view is a coroutine, and the check costs more than the calls.
        return func


def create_app(dependencies: Dependencies, options: AppOptions) -> "WSGIApplication":
    """Return the whole service as a WSGI application."""
    return Middleware(
        app=create_flask(dependencies, options),
        metrics=dependencies.metrics,
        clock=dependencies.clock,
        new_id=dependencies.new_id,
        logger=logging.getLogger("tesk_api.request"),
        tracer=dependencies.tracer,
    )


def create_flask(dependencies: Dependencies, options: AppOptions) -> Flask:
    """Return the application without its middleware."""
    app = _SynchronousFlask(__name__, static_folder=None)
    app.url_map.strict_slashes = False  # no redirects: some clients follow none
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False
    app.url_map.converters["task_id"] = _TaskIdConverter
    identify = caller_identifier(
        dependencies.authenticator, trusted_proxies=options.trusted_proxies
    )
    _register_tes(app, dependencies, options, identify)
    app.register_blueprint(
        live_blueprint(
            dependencies.tasks,
            identify,
            dependencies.clock,
            heartbeat=options.heartbeat,
        )
    )
    document = openapi_document(dependencies.info, bases=tuple(BASES.values()))
    app.register_blueprint(
        operations_blueprint(
            tasks=dependencies.tasks,
            metrics=dependencies.metrics if options.show_metrics else None,
            document=document,
        )
    )
    app.register_blueprint(ui_blueprint())
    app.register_blueprint(reports_blueprint(dependencies.tasks, identify))
    app.register_blueprint(call_cache_blueprint(dependencies.tasks, identify))
    app.register_blueprint(_web(dependencies, options, identify))
    register_problems(app, challenge=dependencies.authenticator.challenge)
    _record_routes(app)
    register_browser_checks(app, options.allowed_origins)
    if options.allowed_origins.origins:
        CORS(
            app,
            origins=list(options.allowed_origins.origins),
            expose_headers=["X-Request-Id", "Retry-After"],
        )
    return app


def _register_tes(
    app: Flask, dependencies: Dependencies, options: AppOptions, identify: Identify
) -> None:
    parser = _parser(dependencies, options)
    operations = TaskOperations(
        tasks=dependencies.tasks,
        identify=identify,
        parser=parser,
        views=TaskViews(queued_as_initializing=options.queued_as_initializing),
        bodies=BodyReader(limit=options.body_limit, memory=dependencies.body_memory),
    )
    app.register_blueprint(
        batches_blueprint(
            BatchOperations(
                tasks=dependencies.tasks,
                identify=identify,
                parser=parser,
                bodies=operations.bodies,
            )
        )
    )
    app.register_blueprint(
        checks_blueprint(
            CheckOperations(
                checks=dependencies.checks,
                identify=identify,
                parser=parser,
                bodies=operations.bodies,
            )
        )
    )
    for name, base in BASES.items():
        info = service_info_blueprint(f"{name}_info", dependencies.info)
        tasks = tasks_blueprint(f"{name}_tasks", operations)
        app.register_blueprint(info, url_prefix=base)
        app.register_blueprint(tasks, url_prefix=base)


def _web(
    dependencies: Dependencies, options: AppOptions, identify: Identify
) -> Blueprint:
    pages = WebPages(
        tasks=dependencies.tasks,
        identify=identify,
        parser=_parser(dependencies, options),
        checks=dependencies.checks,
        views=TaskViews(),
        clock=dependencies.clock,
        body_limit=options.body_limit,
        storage=dependencies.info.storage,
    )
    task = TaskPage(
        tasks=dependencies.tasks,
        identify=identify,
        views=TaskViews(),
        clock=dependencies.clock,
    )
    load = LoadPage(load=dependencies.load, identify=identify, clock=dependencies.clock)
    return web_blueprint(
        pages, task, load, challenge=dependencies.authenticator.challenge
    )


def _parser(dependencies: Dependencies, options: AppOptions) -> TaskParser:
    return TaskParser(
        backend_parameters=dependencies.info.backend_parameters,
        refuse_unknown_fields=options.refuse_unknown_fields,
        offer=options.offer,
    )


def _record_routes(app: Flask) -> None:
    @app.after_request
    def record_route(response: Response) -> Response:
        rule = request.url_rule
        request.environ[ROUTE] = rule.rule if rule else UNMATCHED
        return response
