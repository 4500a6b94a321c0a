"""The process of the filer: reads the settings, wires, runs one transfer, exits.

Exit codes: 0 success, 65 permanent failure, 75 temporary failure (a new attempt may
succeed), 143 stopped by SIGTERM, 78 a setting is wrong.
"""

import logging
import os
import random
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import NoReturn

from tesk.v1 import transfer_service_pb2 as pb
from tesk_filer.adapters.manifest_file import open_manifest, sync_file_system
from tesk_filer.adapters.manifest_records import Lines
from tesk_filer.adapters.scheduler_client import (
    SERVICE,
    SchedulerTransfers,
    TransferKey,
)
from tesk_filer.adapters.storage.registry import StorageRegistry
from tesk_filer.adapters.volume import FolderVolume
from tesk_filer.config import FilerSettings, Settings
from tesk_filer.domain.redaction import Redactor
from tesk_filer.ports.manifest import Manifest, NoManifest
from tesk_filer.usecases.transfer import ExitCode, Transfer
from tesk_filer.usecases.upload_tries import Conclude, UploadTries
from tesk_filer.wiring import (
    CacheUse,
    http_options,
    make_run,
    open_cache,
    open_credentials,
    open_egress,
    open_engine,
    storage_config,
)
from tesk_model.locations import parse_location
from tesk_model.names import Attempt, is_task_id
from tesk_model.paths import OWN_FOLDER
from tesk_model.spans import Span, attempt_span_id
from tesk_model.task import TaskId
from tesk_model.upload_retries import UploadRetries
from tesk_runtime import logs, settings
from tesk_runtime.clock import SystemClock
from tesk_runtime.rpc.channel import open_channel
from tesk_runtime.rpc.tls import channel_credentials
from tesk_runtime.sections import read_tls_ca, read_token
from tesk_runtime.shutdown import stop_on_signals
from tesk_runtime.tracing import open_tracer
from tesk_runtime.unknown_variables import log_unknown_variables

_EX_CONFIG = 78  # sysexits.h
_AFTER = "TESK_AFTER"  # how the step before ended, as the launcher says
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_REPORT_INTERVAL = timedelta(seconds=1)
# Ambient credentials, which libraries read by themselves.
_SECRET_VARIABLES = (
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    *("AZURE_CLIENT_SECRET", "AZURE_PASSWORD"),
)
_logger = logging.getLogger("tesk_filer")


def main() -> NoReturn:
    """Run one transfer and end the process."""
    try:
        config = settings.load(Settings, os.environ)
        logs.configure("filer", config.log, _log_fields(config.filer))
        silence_libraries()
        log_unknown_variables(os.environ, Settings)
        token = read_token(
            config.filer.token_file, "filer.token_file (TESK_FILER_TOKEN_FILE)"
        )
        _check(config.filer)
        open_egress(config)
        http_options(config, os.environ)
        read_tls_ca(config.grpc)
    except (settings.SettingsError, ValueError) as error:
        sys.stderr.write(f"tesk-filer: {error}\n")
        sys.exit(_EX_CONFIG)
    exit_code = run(config, token=token, stop=stop_on_signals())
    logging.shutdown()
    # A thread that hangs in a dead connection must not delay the exit.
    os._exit(exit_code)


def _log_fields(filer: FilerSettings) -> dict[str, object]:
    attempt = Attempt(TaskId(filer.task), filer.attempt)
    return {**attempt.log_fields, "step": filer.direction}


def run(config: Settings, *, token: str, stop: threading.Event) -> ExitCode:
    """Run the transfer that ``config`` describes until it ends or ``stop`` is set."""
    filer = config.filer
    redactor = Redactor()
    for secret in map(os.environ.get, _SECRET_VARIABLES):
        redactor.add(secret or "")
    logs.redact(redactor)
    transfers = _open_transfers(config, token, stop, redact=redactor)
    operator = open_credentials(filer, _logger.warning)
    credentials = operator.of(transfers.owner, told=redactor.add)
    storages = StorageRegistry(storage_config(config, credentials, os.environ))
    cache = open_cache(config, os.environ, _logger.warning)
    new_halt = _halts(stop)

    def run_once(conclude: Conclude) -> ExitCode:
        halt = new_halt()
        with (
            _open_manifest(filer, token) as manifest,
            closing(open_engine(filer, storages, halt)) as engine,
        ):
            transfer = Transfer(
                transfer_run=make_run(
                    filer,
                    engine,
                    transfers=transfers,
                    volume=FolderVolume(
                        Path(filer.volume), keeps_modes=filer.keep_modes
                    ),
                    manifest=manifest,
                    cache=None
                    if cache is None
                    else CacheUse(
                        cache=cache, credentials=credentials, owner=transfers.owner
                    ),
                ),
                transfers=transfers,
                progress=engine.progress,
                halt=halt,
                interval=_REPORT_INTERVAL,
                warn=_logger.warning,
                conclude=conclude,
            )
            return _observe(config, transfer)

    return UploadTries(
        retries=_upload_retries(filer, os.environ),
        run_once=run_once,
        stop=stop,
        monotonic=SystemClock().monotonic,
        draw=random.random,
    ).run()


def _observe(config: Settings, transfer: Transfer) -> ExitCode:
    """Run a transfer, and log and trace it."""
    began = SystemClock().now()
    _logger.info("transfer started")
    exit_code = transfer.run()
    moved = transfer.progress.status()
    counts = {"files": moved.files_done, "bytes": moved.bytes_done}
    _logger.info("transfer ended", extra={"result": exit_code.name.lower(), **counts})
    try:
        _trace(config, began, failed=bool(exit_code), counts=counts)
    except Exception:  # what has arrived must not be transferred again
        _logger.exception("transfer not traced")
    return exit_code


def _upload_retries(filer: FilerSettings, environ: Mapping[str, str]) -> UploadRetries:
    """Return how often the transfer is tried."""
    # The user must see the failure of the command, which came first.
    has_failed = environ.get(_AFTER) == "failed"
    once = filer.direction == "inputs" or has_failed
    return UploadRetries(
        tries=1 if once else filer.upload_tries,
        backoff=filer.upload_backoff,
        timeout=filer.upload_timeout,
    )


@contextmanager
def _open_manifest(filer: FilerSettings, token: str) -> Iterator[Manifest]:
    """Open the manifest; without one, files are moved again after a loss."""
    attempt = Attempt(TaskId(filer.task), filer.attempt)
    lines = Lines(token, f"{attempt.name} {filer.direction}")
    try:
        manifest = open_manifest(
            Path(filer.volume) / OWN_FOLDER[1:],
            f"{filer.direction}.manifest",
            lines,
            _BOOT_ID.read_text("ascii").strip(),
        )
    except OSError as error:
        _logger.warning(
            "no manifest of the transfer", extra={"reason": error.strerror or ""}
        )
        yield NoManifest()
        return
    manifest.sync_regularly(sync_file_system)
    with closing(manifest):
        yield manifest


def _trace(
    config: Settings, began: datetime, *, failed: bool, counts: Mapping[str, int]
) -> None:
    attempt = Attempt(TaskId(config.filer.task), config.filer.attempt)
    tracer = open_tracer("filer", config.tracing)
    tracer.record(
        Span(
            name=f"transfer {config.filer.direction}",
            task_id=attempt.task_id,
            parent=attempt_span_id(attempt),
            start=began,
            end=SystemClock().now(),
            failed=failed,
            attributes=counts,
        )
    )
    tracer.close()


def _open_transfers(
    config: Settings,
    token: str,
    stop: threading.Event,
    *,
    redact: Callable[[str], str],
) -> SchedulerTransfers:
    filer = config.filer
    incoming = filer.direction == "inputs"
    return SchedulerTransfers(
        open_channel(
            config.grpc.scheduler,
            token=token,
            retried=[SERVICE],
            credentials=channel_credentials(config.grpc),
        ),
        TransferKey(
            attempt=Attempt(TaskId(filer.task), filer.attempt),
            direction=pb.DIRECTION_INPUTS if incoming else pb.DIRECTION_OUTPUTS,
        ),
        retry_for=filer.scheduler_timeout,
        stop=stop,
        redact=redact,
    )


def _check(filer: FilerSettings) -> None:
    if not is_task_id(filer.task) or filer.attempt < 1:
        raise ValueError("filer.task and filer.attempt must name an attempt")
    if not Path(filer.volume).is_dir() or not filer.volume:
        message = f"filer.volume (TESK_FILER_VOLUME): {filer.volume} is not a folder"
        raise ValueError(message)
    _check_shared(filer)


def _check_shared(filer: FilerSettings) -> None:
    prefix, folder = filer.shared_prefix, filer.shared_path
    if bool(prefix) != bool(folder):
        raise ValueError("filer.shared_prefix and filer.shared_path belong together")
    if not prefix:
        return
    if parse_location(prefix).scheme != "file":
        message = f"filer.shared_prefix (TESK_FILER_SHARED_PREFIX): {prefix} is not a file url"
        raise ValueError(message)
    if not folder.startswith("/") or not Path(folder).is_dir():
        message = (
            f"filer.shared_path (TESK_FILER_SHARED_PATH): {folder} is not a folder"
        )
        raise ValueError(message)


def silence_libraries() -> None:
    """Silence the logs of libraries, which hold signed urls and keys."""
    for name in (
        *("azure", "boto3", "botocore", "google", "msal", "requests"),
        *("s3transfer", "smart_open", "urllib3"),
    ):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It logs each connection that breaks, with a traceback; the error says so, too.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)


def _halts(stop: threading.Event) -> Callable[[], threading.Event]:
    """Return what makes events of which ``stop`` sets the latest.

    Each try has its own: one that was halted may still have threads.
    """
    latest = threading.Event()

    def new() -> threading.Event:
        nonlocal latest
        latest = halt = threading.Event()
        if stop.is_set():
            halt.set()
        return halt

    def wait() -> None:
        stop.wait()
        latest.set()

    threading.Thread(target=wait, name="stop", daemon=True).start()
    return new
