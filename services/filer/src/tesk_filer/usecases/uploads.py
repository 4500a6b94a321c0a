"""Uploads outputs from the volume."""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import NamedTuple

from tesk_filer.domain.digest_list import ALGORITHM, DigestList
from tesk_filer.domain.downloads import title
from tesk_filer.domain.expansion import Expansion, Limits
from tesk_filer.domain.uploads import Notice, Upload, plan_uploads
from tesk_filer.ports import NO_CHECKSUMS, StorageError, Storages
from tesk_filer.ports.manifest import Manifest, Moved, NoManifest
from tesk_filer.ports.transfers import TransferResult, Transfers
from tesk_filer.ports.volume import Volume
from tesk_filer.usecases.load_limits import HostLimits
from tesk_filer.usecases.result import summarize
from tesk_filer.usecases.retry import Retry
from tesk_filer.usecases.transfer_progress import FileProgress, TransferProgress
from tesk_filer.usecases.worker_pool import WorkerPool
from tesk_model.locations import describe_url, parse_location, printable
from tesk_model.task import Output, OutputFileLog

_BATCH = 1000  # files recorded with one call; far below the limit of a message


class OutputLog:
    """Reports uploaded files to the scheduler in batches."""

    def __init__(self, transfers: Transfers) -> None:
        """Report by ``transfers``."""
        self._transfers = transfers
        self._lock = threading.Lock()
        self._files: list[OutputFileLog] = []

    def add(self, file: OutputFileLog) -> None:
        """Report ``file``, now or with later ones."""
        with self._lock:
            self._files.append(file)
            full = self._files if len(self._files) >= _BATCH else []
            if full:
                self._files = []
        self._send(full)

    def flush(self) -> None:
        """Report all pending files."""
        with self._lock:
            rest, self._files = self._files, []
        self._send(rest)

    def _send(self, files: Sequence[OutputFileLog]) -> None:
        if files:
            self._transfers.add_outputs(files)


class _Claim(NamedTuple):
    """The file that is uploaded to a url, and the output that names it."""

    output: int
    identity: tuple[int, int]

    def packed(self) -> int:
        """Return it as one integer, which takes a quarter of the memory."""
        device, inode = self.identity
        return self.output << 128 | device << 64 | inode

    @classmethod
    def unpacked(cls, number: int) -> "_Claim":
        """Return the claim of a packed integer."""
        low = (1 << 64) - 1
        return cls(number >> 128, (number >> 64 & low, number & low))


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploads:
    """Uploads all outputs of a task; a failure does not stop the others.

    Attributes:
        tag: Names the attempt in temporary files of storages.
        missing_is_error: An output that does not exist fails the task.
        extended_patterns: See ``plan_uploads``.
        expansion: Limits the number of files.
        targets: Hashes of the urls so far, each with its packed ``_Claim``: there may
            be a million.
    """

    transfers: Transfers
    storages: Storages
    volume: Volume
    workers: WorkerPool
    retry: Retry
    progress: TransferProgress
    limits: HostLimits
    tag: str
    missing_is_error: bool
    extended_patterns: bool = True
    manifest: Manifest = field(default_factory=NoManifest)
    digests: DigestList | None = None
    expansion: Expansion = field(default_factory=lambda: Expansion(Limits()))
    targets: dict[bytes, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def run(self) -> TransferResult:
        """Upload the outputs.

        Raises:
            HaltedError: The transfer was stopped from outside.
        """
        output_log = OutputLog(self.transfers)
        for index, output in enumerate(self.transfers.outputs()):
            name = title(f"outputs[{index}]", output.path, describe_url(output.url))
            self.workers.call(name, partial(self._submit, index, output, output_log))
        self.progress.finish_plan()
        self.workers.drain()
        output_log.flush()
        return summarize(
            self.workers.failures, self.warnings, self.progress, self.digests
        )

    def _submit(self, index: int, output: Output, output_log: OutputLog) -> None:
        # A bad url fails before files are searched.
        target = parse_location(output.url)
        self.storages.of(target)
        label = f"outputs[{index}]"
        for item in plan_uploads(
            output,
            target,
            self.volume,
            extended=self.extended_patterns,
            expansion=self.expansion.part(),
        ):
            if isinstance(item, Notice):
                self._report_notice(label, item)
            elif item.is_directory:
                storage = self.storages.of(item.target)
                self.retry(partial(storage.make_directory, item.target))
            else:
                self._submit_file(index, item, output_log)

    def _submit_file(self, index: int, item: Upload, output_log: OutputLog) -> None:
        name = _Name(index, item)
        is_file = item.target.names_a_file
        refusal = "" if is_file else "ends in a slash; a file needs a name"
        if not refusal:
            before = self._claim_target(index, item)
            if before is not None and before.identity == item.identity:
                return  # the same file, which two outputs name
            if before is not None:
                # One of the two would be lost: this one came second.
                refusal = f"outputs[{before.output}] brings another file to that url"
        if refusal:
            self.workers.call(name, partial(_refuse, refusal))
            return
        self.progress.plan(item.size)
        self.workers.submit(
            name, partial(self._send, item, f"{self.tag}-{index}", output_log)
        )

    def _claim_target(self, index: int, item: Upload) -> _Claim | None:
        """Claim the url of a file; return an earlier claim."""
        key = blake2b(os.fsencode(item.target.target), digest_size=16).digest()
        before = self.targets.get(key)
        if before is None:
            self.targets[key] = _Claim(index, item.identity).packed()
            return None
        return _Claim.unpacked(before)

    def _report_notice(self, label: str, notice: Notice) -> None:
        if notice.missing and self.missing_is_error:
            raise StorageError(notice.message)
        self.warnings.append(f"{label}: {notice.message}")

    def _send(self, item: Upload, tag: str, output_log: OutputLog) -> None:
        moved = self.manifest.moved(item.path, item.target.url)
        if moved is not None and self._is_sent(item, moved):
            self.progress.resume(1, moved.size)
            self._log(item, moved, output_log)
            return
        with self.progress.of_file(
            item.target.scheme, path=item.path, url=item.target
        ) as file_progress:
            moved = self.retry(partial(self._send_once, item, tag, file_progress))
        self.manifest.add(item.path, item.target.url, moved)
        self._log(item, moved, output_log)

    def _is_sent(self, item: Upload, moved: Moved) -> bool:
        """Tell whether an earlier filer has sent the file, as it is now."""
        if self.digests is not None and ALGORITHM not in moved.digests:
            return False
        return moved.stamp == self.volume.stamp(item.path)

    def _log(self, item: Upload, moved: Moved, output_log: OutputLog) -> None:
        if self.digests is not None:
            self.digests.add(item.path, moved.digests[ALGORITHM])
        output_log.add(
            OutputFileLog(
                url=printable(item.target.url),
                path=printable(item.path),
                size_bytes=moved.size,
            )
        )

    def _send_once(self, item: Upload, tag: str, file_progress: FileProgress) -> Moved:
        file_progress.start()
        with self.volume.open(item.path, tag) as source:
            file_progress.check(source.size)
            storage = self.storages.of(item.target)
            with self.limits.request(item.target.host):
                storage.write(item.target, source, file_progress.advance)
            digests = NO_CHECKSUMS
            if self.digests is not None:
                advance = file_progress.advance
                found = self.volume.digest(source, ALGORITHM, advance)
                digests = {ALGORITHM: found}
            return Moved(size=source.size, stamp=source.stamp, digests=digests)


@dataclass(frozen=True, slots=True)
class _Name:
    """Names an upload for people, when somebody asks."""

    index: int
    item: Upload

    def __str__(self) -> str:
        return title(f"outputs[{self.index}]", self.item.path, str(self.item.target))


def _refuse(message: str) -> None:
    raise StorageError(message)
