"""Looks at the places of one task, for ``tesk_filer.storage_server``, and ends.

Reads what is to be looked at from standard input, and writes each result to standard
output as soon as it is known, so that what is slow keeps nothing else back.
"""

import logging
import os
import secrets
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from datetime import timedelta
from typing import NoReturn

import msgspec

from tesk.v1 import storage_service_pb2 as pb
from tesk_filer.adapters.check_frames import frame
from tesk_filer.adapters.library_logs import silence_libraries
from tesk_filer.adapters.process_logs import hide_secrets
from tesk_filer.adapters.storage.registry import StorageRegistry
from tesk_filer.config import FilerSettings, Settings
from tesk_filer.domain.checks import Check, LocationsToCheck, unknown_check
from tesk_filer.domain.redaction import Redactor, excerpt
from tesk_filer.run_wiring import make_retry
from tesk_filer.servicer.checks_wire import check_to_wire, locations_from_wire
from tesk_filer.usecases.checks import Checks
from tesk_filer.wiring import open_credentials, storage_config
from tesk_model.task import Input, Output
from tesk_runtime import logs, settings

_MESSAGE = 1000  # characters
_TRIES = 2
_logger = logging.getLogger("tesk_filer")
_GRACE = 2.0  # seconds in which whoever waits for this process ends it


def main() -> NoReturn:
    """Check what standard input names, and end the process."""
    seconds = float(sys.argv[2])
    # Also if nobody waits any more.
    timer = threading.Timer(seconds + _GRACE, os._exit, (1,))
    timer.daemon = True
    timer.start()
    config = settings.load(Settings, os.environ)
    logs.configure("filer", config.log, {"step": "check"})
    silence_libraries()
    request = pb.CheckLocationsRequest.FromString(sys.stdin.buffer.read())
    run(config, locations_from_wire(request), timedelta(seconds=seconds))
    # A thread that hangs in a dead connection must not delay the exit.
    os._exit(0)


def run(config: Settings, wanted: LocationsToCheck, timeout: timedelta) -> None:
    """Write one frame for each input and output to standard output."""
    redactor = hide_secrets(os.environ)
    filer = _impatient(config.filer, timeout)
    config = msgspec.structs.replace(config, filer=filer)
    operator = open_credentials(filer, lambda _warning: None)
    credentials = operator.of(lambda: wanted.owner, told=redactor.add)
    checks = Checks(
        storages=StorageRegistry(storage_config(config, credentials, os.environ)),
        retry=make_retry(filer, threading.Event()),
        write_empty=None,
        probe_name=f".tesk-check-{secrets.token_hex(8)}",
    )
    threads = ThreadPoolExecutor(filer.parallel)
    pairs = zip(wanted.entries(), checks.of_task(wanted), strict=True)
    pending = [threads.submit(_looked, *entry, check) for entry, check in pairs]
    for done in as_completed(pending):
        sys.stdout.buffer.write(frame(check_to_wire(_told(done.result(), redactor))))
        sys.stdout.buffer.flush()


def _looked(name: str, entry: Input | Output, check: Callable[[], Check]) -> Check:
    """Return the result of ``check``; a bug in one must not hide the others."""
    try:
        return check()
    except Exception:
        _logger.exception("not looked at", extra={"field": name})
        message = "could not be looked at; the log of the server says why"
        return unknown_check(name, entry, message)


def _impatient(filer: FilerSettings, timeout: timedelta) -> FilerSettings:
    """Return settings by which nothing is waited for longer than the whole check."""
    return msgspec.structs.replace(
        filer,
        tries=min(filer.tries, _TRIES),
        connect_timeout=min(filer.connect_timeout, timeout / 2),
        stall_timeout=min(filer.stall_timeout, timeout),
    )


def _told(check: Check, redact: Redactor) -> Check:
    return replace(check, message=redact(excerpt(check.message, _MESSAGE)))
