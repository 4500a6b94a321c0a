"""Opens what a filer has in the task volume besides files: manifest, lock and sync."""

import logging
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from tesk_filer.adapters.file_system_sync import sync_file_system
from tesk_filer.adapters.manifest_file import open_manifest
from tesk_filer.adapters.manifest_records import Lines
from tesk_filer.adapters.transfer_lock import TransferLock
from tesk_filer.adapters.volume_sync import open_volume_sync
from tesk_filer.config import FilerSettings
from tesk_filer.ports.manifest import Manifest, NoManifest
from tesk_filer.turns import INPUTS
from tesk_filer.usecases.durable_inputs import DurableInputs
from tesk_filer.usecases.transfer import TransferRun
from tesk_model.names import Attempt
from tesk_model.paths import OWN_FOLDER
from tesk_model.task import TaskId
from tesk_runtime.clock import SystemClock

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# Longer than a pod may take to stop, and than NFS 4 keeps the locks of a lost machine.
_LOCK_TIMEOUT = timedelta(minutes=2)
_logger = logging.getLogger(__name__)


def make_lock(filer: FilerSettings, stop: threading.Event) -> TransferLock:
    """Return the lock of the transfer; ``stop`` ends the wait for it."""
    return TransferLock(
        folder=_own_folder(filer),
        name=f"{filer.direction}.lock",
        timeout=_LOCK_TIMEOUT,
        stop=stop,
        monotonic=SystemClock().monotonic,
    )


@contextmanager
def manifest_of(filer: FilerSettings, token: str) -> Iterator[Manifest]:
    """Open the manifest; without one, files are moved again after a loss."""
    attempt = Attempt(TaskId(filer.task), filer.attempt)
    lines = Lines(token, f"{attempt.name} {filer.direction}")
    try:
        manifest = open_manifest(
            _own_folder(filer),
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


def make_durable(run: TransferRun, filer: FilerSettings) -> TransferRun:
    """Return ``run`` with all that executors need on the disk when it ends, if asked."""
    if not filer.sync_inputs or filer.direction != INPUTS:
        return run
    open_sync = partial(open_volume_sync, Path(filer.volume))
    return DurableInputs(downloads=run, open_sync=open_sync)


def _own_folder(filer: FilerSettings) -> Path:
    return Path(filer.volume) / OWN_FOLDER[1:]
