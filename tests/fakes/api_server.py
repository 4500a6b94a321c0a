"""The api without its server process, on a scheduler in memory."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import grpc
from werkzeug.test import Client

from fakes.api_scheduler import InProcessChannel, MemoryScheduler
from tesk_api.adapters.fair_semaphore import FairSemaphore
from tesk_api.adapters.load_client import LoadClient
from tesk_api.adapters.open_access import OpenAccess
from tesk_api.adapters.scheduler_client import SchedulerClient
from tesk_api.domain.service_info import ServiceInfo
from tesk_api.http.app import AppOptions, Dependencies, create_app
from tesk_api.http.metrics import RequestMetrics
from tesk_api.ports import Authenticator
from tesk_runtime.clock import SystemClock

INFO = ServiceInfo(
    id="org.example.tes",
    name="Example",
    version="0.1.0",
    organization_name="Example",
    organization_url="https://example.org",
    description="for tests",
    contact_url="https://example.org/contact",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    storage=("s3://", "file:///data/"),
    backend_parameters={"VmSize": ()},
)


def counted(prefix: str) -> Callable[[], str]:
    """Return a generator of distinct ids."""
    numbers = itertools.count(1)
    return lambda: f"{prefix}-{next(numbers)}"


def make_dependencies(scheduler: MemoryScheduler, **overrides: Any) -> Dependencies:
    """Return the dependencies of an api on ``scheduler``."""
    channel = cast("grpc.Channel", InProcessChannel(scheduler))
    client = SchedulerClient(channel, new_key=counted("key"))
    fields: dict[str, Any] = {
        "tasks": client,
        "load": LoadClient(channel),
        "authenticator": cast("Authenticator", OpenAccess()),
        "body_memory": FairSemaphore(
            capacity=2**30, max_waiting=0, timeout=timedelta(0), message="no room"
        ),
        "info": INFO,
        "metrics": RequestMetrics(),
        "clock": SystemClock(),
        "new_id": counted("request"),
    }
    return Dependencies(**(fields | overrides))


def make_client(
    scheduler: MemoryScheduler, options: AppOptions | None = None, **overrides: Any
) -> Client:
    """Return an HTTP client of an api on ``scheduler``."""
    dependencies = make_dependencies(scheduler, **overrides)
    return Client(create_app(dependencies, options or AppOptions()))
