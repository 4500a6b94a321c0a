"""Settings of the taskmaster."""

from datetime import timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tesk_kubernetes.settings import KubernetesSettings
from tesk_runtime.logs import LogSettings
from tesk_runtime.sections import GrpcSettings, LocalSettings
from tesk_runtime.tracing import TracingSettings


class TaskmasterSection(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """Settings of one taskmaster. Durations are seconds."""

    id: Annotated[
        str,
        Meta(
            description="Name of this process, unique; set by its launcher.",
            pattern=r"^([a-z0-9-]{1,63})?$",
        ),
    ] = ""
    runtime: Annotated[
        Literal["local", "kubernetes"],
        Meta(description="Where steps run: on this machine, or as Jobs of a cluster."),
    ] = "local"
    slots: Annotated[
        int, Meta(description="Tasks that one process runs at once.", ge=1)
    ] = 20
    layout: Annotated[
        Literal["jobs", "pod", "auto"],
        Meta(
            description="How the steps of a task lie on a cluster: as a Job for each, "
            "all as one pod, or as one pod where that can be. Tasks may ask for "
            "another by the backend parameter `layout`; see `layouts_allowed`."
        ),
    ] = "jobs"
    layouts_allowed: Annotated[
        tuple[Literal["jobs", "pod", "auto"], ...],
        Meta(description="Allowed values of the backend parameter `layout`."),
    ] = ()
    pod_order: Annotated[
        Literal["auto", "together", "sequence"],
        Meta(
            description="How the steps of one pod begin: all containers at once, each "
            "waiting for its turn, or one after the other as init containers. "
            "`auto`, `together`: at once unless what they hold would add up."
        ),
    ] = "auto"
    pod_volume: Annotated[
        Literal["disk", "memory", "ephemeral", "claim"],
        Meta(
            description="Volume of a task that runs as one pod: of the node's disk or "
            "memory, a claim that goes with the pod, or a claim as Jobs have it, "
            "the latter two of `kubernetes.storage_class`."
        ),
    ] = "disk"
    pod_max_disk: Annotated[
        int,
        Meta(
            description="Bytes of the largest volume that is taken from a node's disk "
            "or memory; 0: any. A larger one makes Jobs of a task with the layout "
            "`auto`, and fails one with `pod`.",
            ge=0,
        ),
    ] = 20 * 1024**3
    grace: Annotated[
        timedelta,
        Meta(
            description="Seconds that a canceled command gets between SIGTERM and "
            "SIGKILL."
        ),
    ] = timedelta(seconds=1)
    live_interval: Annotated[
        timedelta,
        Meta(
            description="Seconds between two reads of the output of a running command."
        ),
    ] = timedelta(seconds=1)
    upload_tries: Annotated[
        int,
        Meta(
            description="How often the upload of outputs is tried while its error may "
            "pass. Executors never run again for that.",
            ge=1,
        ),
    ] = 10
    upload_backoff: Annotated[
        timedelta,
        Meta(
            description="Seconds before the upload of outputs is tried again; doubles "
            "with each try, up to 300 s."
        ),
    ] = timedelta(seconds=10)
    upload_timeout: Annotated[
        timedelta,
        Meta(
            description="Seconds after which the upload of outputs is not tried again, "
            "counted from the end of the first try."
        ),
    ] = timedelta(hours=1)
    sync_wait: Annotated[
        timedelta,
        Meta(
            description="Longest time, in seconds, that the scheduler may wait for "
            "orders to give; well below its lease."
        ),
    ] = timedelta(seconds=10)
    start_timeout: Annotated[
        timedelta,
        Meta(
            description="Seconds to wait for a scheduler at start before giving up.",
            extra={"old_name": "patience"},
        ),
    ] = timedelta(seconds=60)
    sandbox_programs: Annotated[
        tuple[str, ...],
        Meta(
            description="More folders of this machine with programs, separated by "
            "`:`, that the sandbox shows read-only (a conda or virtual "
            "environment); "
            "those with a `bin` come first in its PATH.",
            extra={"separator": ":"},
        ),
    ] = ()
    container_processes: Annotated[
        int,
        Meta(
            description="Processes and threads that one container of an executor may "
            "have; 0: any number.",
            ge=0,
        ),
    ] = 16384
    container_drop: Annotated[
        tuple[str, ...],
        Meta(
            description="Capabilities, of the engine's defaults, that containers of "
            "executors do not get; `ALL`: all of them."
        ),
    ] = ("MKNOD", "NET_RAW")
    launcher: Annotated[
        str,
        Meta(
            description="Binary of the launcher, which containers start with; "
            "empty: as built from the sources."
        ),
    ] = ""
    filer_command: Annotated[
        tuple[str, ...],
        Meta(
            description="Program and arguments that start a filer; empty: "
            "`python -m tesk_filer` of this installation."
        ),
    ] = ()


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All sections that the taskmaster reads."""

    log: LogSettings = LogSettings()
    tracing: TracingSettings = TracingSettings()
    grpc: GrpcSettings = GrpcSettings()
    local: LocalSettings = LocalSettings()
    taskmaster: TaskmasterSection = TaskmasterSection()
    kubernetes: KubernetesSettings = KubernetesSettings()
