"""Declares the settings of the api."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tesk_model.schemes import REMOTE_URLS
from tesk_runtime.logs import LogSettings
from tesk_runtime.sections import GrpcSettings, LocalSettings, UrlSettings
from tesk_runtime.tracing import TracingSettings

_WebAddress = Annotated[str, Meta(pattern=r"^(https?://\S+)?$")]

_HostName = Annotated[str, Meta(pattern=r"^(\*\.)?[A-Za-z0-9._-]+$")]


class ApiSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """The TES REST API."""

    host: Annotated[
        str,
        Meta(description="Address to listen on.", extra={"variable": "HOST"}),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Meta(
            description="Port to listen on.",
            ge=1,
            le=65535,
            extra={"variable": "PORT"},
        ),
    ] = 8080
    workers: Annotated[
        int,
        Meta(
            description="Worker processes, 50 MiB each. Beside a scheduler on 2 cores 1 "
            "costs less for each request, since it sends larger batches.",
            ge=1,
            le=64,
        ),
    ] = 1
    threads: Annotated[
        int,
        Meta(description="Requests that one worker serves at once.", ge=1, le=512),
    ] = 32
    waiting: Annotated[
        int,
        Meta(
            description="Length of the queue of complete requests that wait for one of "
            "`threads`; further ones are refused with 503.",
            ge=1,
            le=65536,
        ),
    ] = 1024
    connections: Annotated[
        int,
        Meta(
            description="Open connections of one worker. A further one closes those "
            "that have been idle longest.",
            ge=16,
            le=65536,
        ),
    ] = 2048
    header_timeout: Annotated[
        timedelta,
        Meta(
            description="Seconds from the opening of a connection, or the first byte of "
            "a further request, to the end of its headers."
        ),
    ] = timedelta(seconds=10)
    body_timeout: Annotated[
        timedelta,
        Meta(description="Seconds within which the body of a request must arrive."),
    ] = timedelta(seconds=30)
    send_timeout: Annotated[
        timedelta,
        Meta(description="Seconds within which a client must receive a response."),
    ] = timedelta(seconds=60)
    idle_timeout: Annotated[
        timedelta,
        Meta(
            description="Seconds after which an idle connection is closed; longer than "
            "a load balancer in front keeps its own."
        ),
    ] = timedelta(seconds=75)
    metrics_listen: Annotated[
        str,
        Meta(
            description="`host:port` of Prometheus metrics. Empty: they are at "
            "`/metrics` of the API if `host` is loopback, and nowhere otherwise.",
            pattern=r"^(.*:\d{1,5})?$",
        ),
    ] = ""
    drain: Annotated[
        timedelta,
        Meta(
            description="After SIGTERM, seconds that running requests get to end.",
        ),
    ] = timedelta(seconds=20)
    body_limit: Annotated[
        int, Meta(description="Bytes of the largest request body.", ge=1024)
    ] = 16 * 1024 * 1024
    refuse_unknown_fields: Annotated[
        bool,
        Meta(
            description="Refuse unknown fields with 400. Otherwise they are dropped, and "
            "a line in `system_logs` names them."
        ),
    ] = False
    show_queued_as_initializing: Annotated[
        bool,
        Meta(
            description="Show QUEUED as INITIALIZING: Galaxy treats QUEUED as failed. "
            "Filters by `state` still use the true state."
        ),
    ] = False
    cors_origins: Annotated[
        tuple[str, ...],
        Meta(
            description="Origins whose web pages may call the API, separated by `,`; "
            "`*` for all, which lets any page that a user opens run tasks here. "
            "Empty: none."
        ),
    ] = ()
    allowed_hosts: Annotated[
        tuple[_HostName, ...],
        Meta(
            description="Host names by which clients may call this server, separated by "
            "`,`, without ports; `*.example.org` for all below. On loopback these are "
            "accepted besides `localhost`; elsewhere besides addresses, and empty means "
            "any name."
        ),
    ] = ()
    auth: Annotated[
        Literal["none", "basic"],
        Meta(
            description="Authentication. `none`: any client, without a name. `basic`: "
            "users of `users_file`."
        ),
    ] = "none"
    users_file: Annotated[
        str,
        Meta(description="For `basic`: file as `htpasswd -B` writes it."),
    ] = ""
    groups_file: Annotated[
        str,
        Meta(description="For `basic`: file with lines `group: user1 user2`."),
    ] = ""
    admin_group: Annotated[
        str,
        Meta(
            description="Members can read and cancel all tasks. Empty: no administrators."
        ),
    ] = ""
    trusted_proxies: Annotated[
        int,
        Meta(
            description="Number of proxies in front of the api that add the address of "
            "their client to `X-Forwarded-For`. Wrong passwords are counted by address: 0 "
            "uses that of the connection, which behind a proxy is the same for all users.",
            ge=0,
            le=8,
        ),
    ] = 0
    service_id: Annotated[
        str, Meta(description="`id` in service-info, a reverse domain name.")
    ] = "org.example.tesk"
    service_name: Annotated[str, Meta(description="`name` in service-info.")] = "TESK"
    service_description: Annotated[
        str, Meta(description="`description` in service-info.")
    ] = "GA4GH TES 1.1 task execution service"
    organization_name: Annotated[
        str, Meta(description="Organization that runs this service, for service-info.")
    ] = "TESK"
    organization_url: Annotated[
        _WebAddress, Meta(description="Web page of that organization (http or https).")
    ] = "https://example.org"
    contact_url: Annotated[
        _WebAddress,
        Meta(description="Web page for questions (http or https). Empty: left out."),
    ] = ""
    documentation_url: Annotated[
        _WebAddress,
        Meta(description="Web page for users (http or https). Empty: left out."),
    ] = ""
    environment: Annotated[
        str, Meta(description="For service-info, e.g. `prod` or `test`.")
    ] = ""
    created_at: Annotated[
        datetime | None,
        Meta(description="When the service was first offered, RFC 3339."),
    ] = None
    updated_at: Annotated[
        datetime | None, Meta(description="When it was last changed, RFC 3339.")
    ] = None
    storage: Annotated[
        tuple[str, ...],
        Meta(
            description="Url prefixes that tasks can read and write, for service-info; a "
            "task with a url of another scheme is refused. Toil mounts its job store if "
            "its url begins with one of them. `local.file_roots` and `local.read_roots` "
            "offer `file://` in any case. Empty: all schemes, and nothing in service-info."
        ),
    ] = REMOTE_URLS
    read_storage: Annotated[
        tuple[str, ...],
        Meta(
            description="Url prefixes that tasks can only read, for service-info as well."
        ),
    ] = ()
    references: Annotated[
        tuple[str, ...],
        Meta(
            description="Names of the references that inputs can be (`ref://NAME/PATH`), "
            "beside those of `local.references`; where they lie, `kubernetes.references` "
            "says."
        ),
    ] = ()
    backend_parameters: Annotated[
        dict[str, tuple[str, ...]],
        Meta(
            description="Supported keys of `resources.backend_parameters`, each with "
            "the values that tasks may give; `1..8` stands for the whole numbers from "
            "1 to 8, an empty list for any value. In a cluster: `pool`, `gpu`, "
            "`gpu_type`, `priority_class`, `runtime_class` and `queue`, with what `kubernetes` "
            "has of them, and `layout`, with what `taskmaster` allows. `webhook` lets "
            "tasks name receivers (docs/webhooks.md). Those about attempts "
            "(docs/api.md) are always there; an entry limits their values."
        ),
    ] = {}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that the api reads."""

    log: LogSettings = msgspec.field(default_factory=LogSettings)
    tracing: TracingSettings = msgspec.field(default_factory=TracingSettings)
    grpc: GrpcSettings = msgspec.field(default_factory=GrpcSettings)
    local: LocalSettings = msgspec.field(default_factory=LocalSettings)
    urls: UrlSettings = msgspec.field(default_factory=UrlSettings)
    api: ApiSettings = msgspec.field(default_factory=ApiSettings)

    @property
    def references(self) -> tuple[str, ...]:
        """Names of all references, sorted."""
        return tuple(sorted({*self.api.references, *self.local.references}))
