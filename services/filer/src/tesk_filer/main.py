"""The process of the filer: reads the settings, wires, runs its transfers, exits.

Exit codes: 0 success, 65 permanent failure, 75 temporary failure (a new attempt may
succeed), 143 stopped by SIGTERM, 78 a setting is wrong. Of a check: 0 all is the same,
65 something differs, anything else: that is not known.
"""

import logging
import os
import random
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import msgspec

from tesk.v1 import transfer_service_pb2 as pb
from tesk_filer.adapters.library_logs import silence_libraries
from tesk_filer.adapters.process_logs import hide_secrets
from tesk_filer.adapters.scheduler_calls import SERVICE, SchedulerCalls
from tesk_filer.adapters.scheduler_client import SchedulerTransfers
from tesk_filer.adapters.storage.registry import StorageRegistry
from tesk_filer.adapters.temporary_names import transfer_tag
from tesk_filer.adapters.transfer_trace import trace_transfer
from tesk_filer.adapters.volume import FolderVolume
from tesk_filer.config import FilerSettings, Settings
from tesk_filer.domain.credential_table import TaskOwner
from tesk_filer.domain.redaction import Redactor
from tesk_filer.ports import Credentials
from tesk_filer.run_wiring import CacheUse, make_run, open_engine
from tesk_filer.turns import run_in_turn
from tesk_filer.usecases.halts import halts
from tesk_filer.usecases.transfer import ExitCode, Transfer
from tesk_filer.usecases.upload_tries import Conclude, UploadTries
from tesk_filer.volume_wiring import make_durable, make_lock, manifest_of
from tesk_filer.wiring import (
    check_shared,
    http_options,
    open_cache,
    open_credentials,
    open_egress,
    storage_config,
)
from tesk_model.names import Attempt, is_task_id
from tesk_model.task import TaskId
from tesk_model.upload_retries import UploadRetries
from tesk_runtime import logs, settings
from tesk_runtime.clock import SystemClock
from tesk_runtime.rpc.channel import open_channel
from tesk_runtime.rpc.tls import channel_credentials
from tesk_runtime.sections import read_tls_ca, read_token
from tesk_runtime.shutdown import stop_on_signals
from tesk_runtime.unknown_variables import log_unknown_variables

CHECK = "check"
"""The direction in which nothing moves: files are compared with what they were."""

_EX_CONFIG = 78  # sysexits.h
_CHECK_LIMIT = timedelta(minutes=10)  # a task that waits for longer had better run
_REPORT_INTERVAL = timedelta(seconds=1)
_logger = logging.getLogger("tesk_filer")


def main() -> NoReturn:
    """Run the transfers of this process, and end it."""
    try:
        config = settings.load(Settings, os.environ)
        _configure_logs(config)
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
    stop = stop_on_signals()

    def run_direction(direction: str, has_passed: bool) -> ExitCode:  # noqa: FBT001 - a callback
        filer = msgspec.structs.replace(config.filer, direction=direction)
        one = msgspec.structs.replace(config, filer=filer)
        _configure_logs(one)
        return run(one, token=token, stop=stop, has_passed=has_passed)

    exit_code = run_in_turn(config.filer.direction, os.environ, run_direction)
    logging.shutdown()
    # A thread that hangs in a dead connection must not delay the exit.
    os._exit(exit_code)


def _configure_logs(config: Settings) -> None:
    attempt = Attempt(TaskId(config.filer.task), config.filer.attempt)
    fields = {**attempt.log_fields, "step": config.filer.direction}
    logs.configure("filer", config.log, fields)


def run(
    config: Settings, *, token: str, stop: threading.Event, has_passed: bool = True
) -> ExitCode:
    """Run what ``config`` describes until it ends or ``stop`` is set.

    Args:
        config: Of one direction.
        token: Of the attempt.
        stop: Ends it.
        has_passed: No executor has failed.
    """
    redactor = hide_secrets(os.environ)
    calls = _open_calls(config, token, stop)
    if config.filer.direction == CHECK:
        return _check_candidate(config, calls, redactor)
    retries = _upload_retries(config.filer, has_passed=has_passed)
    with closing(calls.channel):  # it may stay for hours after its inputs
        return _run_transfer(config, calls, redactor, token=token, retries=retries)


def _run_transfer(
    config: Settings,
    calls: SchedulerCalls,
    redactor: Redactor,
    *,
    token: str,
    retries: UploadRetries,
) -> ExitCode:
    filer = config.filer
    incoming = filer.direction == "inputs"
    direction = pb.DIRECTION_INPUTS if incoming else pb.DIRECTION_OUTPUTS
    transfers = SchedulerTransfers(calls, direction, redact=redactor)
    credentials, storages = _open_storages(config, transfers.owner, redactor)
    cache = open_cache(config, os.environ, _logger.warning)
    new_halt = halts(calls.stop)
    tag = transfer_tag(Attempt(TaskId(filer.task), filer.attempt).name, token)

    def run_once(conclude: Conclude) -> ExitCode:
        halt = new_halt()
        with (
            manifest_of(filer, token) as manifest,
            closing(open_engine(filer, storages, halt)) as engine,
        ):
            move = make_run(
                filer,
                engine,
                transfers=transfers,
                volume=FolderVolume(
                    Path(filer.volume), keeps_modes=filer.keep_modes, tag=tag
                ),
                manifest=manifest,
                cache=None
                if cache is None
                else CacheUse(
                    cache=cache, credentials=credentials, owner=transfers.owner
                ),
            )
            transfer = Transfer(
                transfer_run=make_durable(move, filer),
                transfers=transfers,
                progress=engine.progress,
                halt=halt,
                interval=_REPORT_INTERVAL,
                warn=_logger.warning,
                conclude=conclude,
                renews_token=incoming,
            )
            return _observe(config, transfer)

    tries = UploadTries(
        retries=retries,
        run_once=run_once,
        stop=calls.stop,
        monotonic=SystemClock().monotonic,
        draw=random.random,
    )
    return make_lock(filer, calls.stop).run(tries.run)


def _check_candidate(
    config: Settings, calls: SchedulerCalls, redactor: Redactor
) -> ExitCode:
    """Check whether the files of a candidate are what they were."""
    # Imported here: few filers check anything, and most run for a moment only.
    from tesk_filer.adapters.candidate_client import SchedulerCandidates  # noqa: PLC0415
    from tesk_filer.usecases.candidate_check import CandidateCheck  # noqa: PLC0415
    from tesk_filer.usecases.listing import Listing  # noqa: PLC0415

    filer = config.filer
    record = SchedulerCandidates(calls)
    _, storages = _open_storages(config, record.owner, redactor)
    _logger.info("check started")
    with closing(open_engine(filer, storages, halts(calls.stop)())) as engine:
        exit_code = CandidateCheck(
            record=record,
            storages=engine.storages,
            workers=engine.workers,
            listing=Listing(retry=engine.retry, observed=engine.progress.of_listing),
            limits=engine.limits,
            expansion=engine.expansion,
            limit=_CHECK_LIMIT,
            monotonic=SystemClock().monotonic,
            redact=redactor,
            warn=_logger.warning,
        ).run()
    _logger.info("check ended", extra={"result": exit_code.name.lower()})
    return exit_code


def _open_storages(
    config: Settings, owner: Callable[[], TaskOwner], redactor: Redactor
) -> tuple[Credentials, StorageRegistry]:
    """Return what the task of ``owner`` may use, and the storages by it."""
    operator = open_credentials(config.filer, _logger.warning)
    credentials = operator.of(owner, told=redactor.add)
    return credentials, StorageRegistry(storage_config(config, credentials, os.environ))


def _observe(config: Settings, transfer: Transfer) -> ExitCode:
    """Run a transfer, and log and trace it."""
    began = SystemClock().now()
    _logger.info("transfer started")
    exit_code = transfer.run()
    moved = transfer.progress.status()
    counts = {"files": moved.files_done, "bytes": moved.bytes_done}
    _logger.info("transfer ended", extra={"result": exit_code.name.lower(), **counts})
    try:
        trace_transfer(
            config.tracing,
            Attempt(TaskId(config.filer.task), config.filer.attempt),
            config.filer.direction,
            began=began,
            failed=bool(exit_code),
            counts=counts,
        )
    except Exception:  # what has arrived must not be transferred again
        _logger.exception("transfer not traced")
    return exit_code


def _upload_retries(filer: FilerSettings, *, has_passed: bool) -> UploadRetries:
    """Return how often the transfer is tried."""
    # The user must see the failure of the command, which came first.
    once = filer.direction == "inputs" or not has_passed
    return UploadRetries(
        tries=1 if once else filer.upload_tries,
        backoff=filer.upload_backoff,
        timeout=filer.upload_timeout,
    )


def _open_calls(config: Settings, token: str, stop: threading.Event) -> SchedulerCalls:
    filer = config.filer
    channel = open_channel(
        config.grpc.scheduler,
        token=token,
        retried=[SERVICE],
        credentials=channel_credentials(config.grpc),
    )
    return SchedulerCalls(
        channel=channel,
        attempt=Attempt(TaskId(filer.task), filer.attempt),
        retry_for=filer.scheduler_timeout,
        stop=stop,
    )


def _check(filer: FilerSettings) -> None:
    if not is_task_id(filer.task) or filer.attempt < 1:
        raise ValueError("filer.task and filer.attempt must name an attempt")
    has_volume = filer.volume != "" and Path(filer.volume).is_dir()
    if not has_volume and filer.direction != CHECK:
        message = f"filer.volume (TESK_FILER_VOLUME): {filer.volume} is not a folder"
        raise ValueError(message)
    check_shared(filer)
