"""The taskmaster process: reads its settings, wires, runs until it is told to exit."""

import os
import sys
from collections.abc import Mapping
from datetime import timedelta

from tesk_model.spans import Tracer
from tesk_model.upload_retries import UploadRetries
from tesk_runtime import logs, process_memory, settings
from tesk_runtime.clock import SystemClock
from tesk_runtime.rpc.channel import open_channel
from tesk_runtime.rpc.tls import channel_credentials
from tesk_runtime.sections import read_token, state_home
from tesk_runtime.shutdown import stop_on_signals
from tesk_runtime.tracing import open_tracer
from tesk_runtime.unknown_variables import log_unknown_variables
from tesk_taskmaster.adapters.scheduler_client import GrpcScheduler
from tesk_taskmaster.config import Settings, TaskmasterSection
from tesk_taskmaster.domain.layouts import LayoutOffer, PodVolume
from tesk_taskmaster.ports import Clock, Runtime
from tesk_taskmaster.usecases.attempt import AttemptSettings
from tesk_taskmaster.usecases.reporter import Reporter
from tesk_taskmaster.usecases.taskmaster import Taskmaster, TaskmasterSettings

_RETRY_INTERVAL = timedelta(seconds=0.2)
_FLUSH_TIMEOUT = timedelta(seconds=2)
_RELEASE_BACKOFF = timedelta(seconds=1)
_HOLD_REPORTS = timedelta(seconds=1)
# Seconds. Whoever waits for the interpreter wakes up so often, to ask for it: where each
# of hundreds of attempts has something to do, 0.005 costs more than what they do.
_SWITCH_INTERVAL = 0.02
_USAGE_ERROR = 2


def main() -> None:
    """Run a taskmaster; exit 0 when told to exit, 1 if cut off, 2 if misconfigured."""
    try:
        done = _run(os.environ)
    except (settings.SettingsError, ValueError) as error:
        sys.stderr.write(f"tesk-taskmaster: {error}\n")
        sys.exit(_USAGE_ERROR)
    sys.stderr.flush()
    # Threads of attempts may be waiting for steps, which continue.
    os._exit(0 if done else 1)


def _run(environ: Mapping[str, str]) -> bool:
    configured = settings.load(Settings, environ)
    if not configured.taskmaster.id:
        msg = "taskmaster.id (TESK_TASKMASTER_ID): must be set"
        raise ValueError(msg)
    clock = SystemClock()
    stop = stop_on_signals()
    logs.configure("taskmaster", configured.log)
    log_unknown_variables(environ, Settings)
    if configured.taskmaster.runtime == "kubernetes":
        runtime = _cluster_runtime(configured, environ, clock)
    else:
        runtime = _local_runtime(configured, environ)
    tracer = open_tracer("taskmaster", configured.tracing)
    try:
        taskmaster = _build(configured, runtime, clock, tracer)
        process_memory.tune_collector()
        sys.setswitchinterval(_SWITCH_INTERVAL)
        return taskmaster.run(stop)
    finally:
        tracer.close()


def _local_runtime(configured: Settings, environ: Mapping[str, str]) -> Runtime:
    from tesk_taskmaster.adapters.local.factory import (  # noqa: PLC0415 - see there
        LocalOptions,
        lock_identity,
        open_local_runtime,
    )

    section = configured.taskmaster
    home = state_home(configured.local, environ)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home = home.resolve()
    # Before anything slow: the lock shows that this process is alive.
    lock_identity(home, section.id)
    options = LocalOptions(
        local=configured.local,
        launcher=section.launcher,
        filer_command=section.filer_command,
        sandbox_programs=section.sandbox_programs,
        max_processes=section.container_processes,
        dropped_capabilities=section.container_drop,
    )
    return open_local_runtime(home, options, environ)


def _cluster_runtime(
    configured: Settings, environ: Mapping[str, str], clock: Clock
) -> Runtime:
    from tesk_taskmaster.adapters.kubernetes.factory import (  # noqa: PLC0415 - see there
        open_kubernetes_runtime,
    )

    section = configured.taskmaster
    return open_kubernetes_runtime(
        configured.kubernetes,
        environ,
        taskmaster=section.id,
        offer=LayoutOffer(
            layout=section.layout,
            allowed=section.layouts_allowed,
            order=section.pod_order,
            volume=PodVolume(section.pod_volume),
            max_disk=section.pod_max_disk,
            pod_resources=configured.kubernetes.pod_resources,
        ),
        uploads=_uploads(section),
        clock=clock,
    )


def _uploads(section: TaskmasterSection) -> UploadRetries:
    return UploadRetries(
        tries=section.upload_tries,
        timeout=section.upload_timeout,
        backoff=section.upload_backoff,
    )


def _build(
    configured: Settings, runtime: Runtime, clock: Clock, tracer: Tracer
) -> Taskmaster:
    section = configured.taskmaster
    channel = open_channel(
        configured.grpc.scheduler,
        token=read_token(configured.grpc.token_file),
        credentials=channel_credentials(configured.grpc),
    )
    scheduler = GrpcScheduler.over(channel, section.id)
    return Taskmaster(
        scheduler=scheduler,
        runtime=runtime,
        reporter=Reporter(scheduler, clock, hold=_HOLD_REPORTS),
        clock=clock,
        tracer=tracer,
        settings=TaskmasterSettings(
            slots=section.slots,
            sync_wait=section.sync_wait,
            retry_interval=_RETRY_INTERVAL,
            start_timeout=section.start_timeout,
            flush_timeout=_FLUSH_TIMEOUT,
            attempts=AttemptSettings(
                grace=section.grace,
                live_interval=section.live_interval,
                release_backoff=_RELEASE_BACKOFF,
                uploads=_uploads(section),
            ),
        ),
    )
