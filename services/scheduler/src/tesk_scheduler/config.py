"""Defines the settings of the scheduler."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tesk_kubernetes.settings import KubernetesSettings
from tesk_runtime.logs import LogSettings
from tesk_runtime.sections import GrpcSettings, LocalSettings
from tesk_runtime.tracing import TracingSettings
from tesk_scheduler.attempt_config import AttemptSettings
from tesk_scheduler.domain.calls import CacheScope
from tesk_scheduler.quota_config.settings import QuotaSettings
from tesk_scheduler.webhook_config.settings import WebhookSettings

_PROCESS_START = timedelta(seconds=60)
_POD_START = timedelta(minutes=10)


class SchedulerSettings(
    AttemptSettings, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """The scheduler: its database, and how it assigns tasks to taskmasters."""

    listen: Annotated[
        str,
        Meta(description="Address to listen at: `host:port` or `unix:/path`."),
    ] = "127.0.0.1:7070"
    database: Annotated[
        str,
        Meta(
            description="SQLAlchemy url of the database, e.g. "
            "`postgresql+psycopg://user:password@host/tesk`. Empty: SQLite in "
            "`TESK_HOME`. Schedulers that share a database and start taskmasters "
            "as processes must share `TESK_HOME`, too."
        ),
    ] = ""
    launcher: Annotated[
        Literal["local", "kubernetes"],
        Meta(
            description="How taskmasters run: as processes of this machine, or as pods "
            "of a cluster."
        ),
    ] = "local"
    lease: Annotated[
        timedelta,
        Meta(
            description="Seconds after which the tasks of a taskmaster that does "
            "not call are reassigned."
        ),
    ] = timedelta(seconds=30)
    start_timeout: Annotated[
        timedelta,
        Meta(
            description="Seconds within which a new taskmaster must call; after "
            "that it is given up. 0: 60 for processes, 600 for pods, so that a "
            "cluster has time to get another node."
        ),
    ] = timedelta(0)
    idle: Annotated[
        timedelta,
        Meta(
            description="Seconds after which a taskmaster without tasks is told to exit."
        ),
    ] = timedelta(seconds=60)
    tasks_per_taskmaster: Annotated[
        int, Meta(ge=1, description="Tasks that one taskmaster runs at once.")
    ] = 20
    max_taskmasters: Annotated[
        int, Meta(ge=1, description="Most taskmasters at once.")
    ] = 50
    max_takeovers: Annotated[
        int,
        Meta(
            ge=0,
            description="How often in a row an attempt is reassigned because its "
            "taskmaster died without progress; the third taskmaster, and each one after "
            "it, is its own. After that the attempt is lost, and the task is given up if "
            "it had the last one for itself. Taskmasters that the cluster took away do "
            "not count.",
        ),
    ] = 2
    retention: Annotated[
        timedelta,
        Meta(description="Seconds for which finished tasks and their logs are kept."),
    ] = timedelta(days=30)
    changes_retention: Annotated[
        timedelta,
        Meta(
            description="Seconds for which changes of states are kept, for those who "
            "follow tasks and were away; the last million at most."
        ),
    ] = timedelta(days=1)
    drain: Annotated[
        timedelta,
        Meta(
            description="Seconds that running calls may take when the scheduler stops."
        ),
    ] = timedelta(seconds=10)
    call_cache: Annotated[
        CacheScope,
        Meta(
            description="Whose results a new task may have instead of running, if an"
            " earlier task had the same inputs, commands, images and resources and its"
            " outputs are still there: `none`; `owner`, those of the same owner;"
            " `group`, also those of the same charged group (docs/call-cache.md)."
        ),
    ] = CacheScope.NONE
    call_cache_generation: Annotated[
        str,
        Meta(
            max_length=64,
            description="With another value no results of earlier tasks count any more,"
            " as is wanted after a change of the site that alters results.",
        ),
    ] = ""
    metrics_listen: Annotated[
        str,
        Meta(description="`host:port` of Prometheus metrics. Empty: none."),
    ] = ""

    def __post_init__(self) -> None:
        """Refuse an invalid lease.

        Raises:
            ValueError: The message names the setting below ``scheduler``.
        """
        super().__post_init__()
        if self.lease < timedelta(seconds=1):
            raise ValueError("lease: must be at least 1 second")

    @property
    def effective_start_timeout(self) -> timedelta:
        """Time within which a new taskmaster must call."""
        default = _POD_START if self.launcher == "kubernetes" else _PROCESS_START
        return max(self.lease, self.start_timeout or default)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All sections that the scheduler reads."""

    log: LogSettings = LogSettings()
    tracing: TracingSettings = TracingSettings()
    grpc: GrpcSettings = GrpcSettings()
    local: LocalSettings = LocalSettings()
    scheduler: SchedulerSettings = SchedulerSettings()
    quota: QuotaSettings = QuotaSettings()
    webhooks: WebhookSettings = WebhookSettings()
    kubernetes: KubernetesSettings = KubernetesSettings()


def taskmaster_environment(
    settings: Settings, environ: Mapping[str, str], home: Path
) -> dict[str, str]:
    """Return the environment of taskmasters: without the database, quotas and webhooks."""
    address = settings.grpc.scheduler
    if address == GrpcSettings().scheduler:
        address = settings.scheduler.listen.replace("0.0.0.0:", "127.0.0.1:")
    own = ("TESK_SCHEDULER_", "TESK_QUOTA_", "TESK_WEBHOOKS_")
    return {
        **{name: text for name, text in environ.items() if not name.startswith(own)},
        "TESK_GRPC_SCHEDULER": address,
        "TESK_HOME": str(home),
    }
