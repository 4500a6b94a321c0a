"""Uploads outputs from the volume."""

import os
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from typing import NamedTuple

from tesk_filer.domain.digest_list import DigestList
from tesk_filer.domain.downloads import title
from tesk_filer.domain.expansion import Expansion, Limits
from tesk_filer.domain.uploads import Notice, Upload, plan_uploads
from tesk_filer.ports import StorageError, Storages
from tesk_filer.ports.transfers import TransferResult, Transfers
from tesk_filer.ports.volume import Volume
from tesk_filer.usecases.batch_threads import BatchThreads
from tesk_filer.usecases.batch_upload import BatchUploads
from tesk_filer.usecases.file_upload import FileUpload, OutgoingFile
from tesk_filer.usecases.identity_log import IdentityLog
from tesk_filer.usecases.result import summarize
from tesk_filer.usecases.retry import Retry
from tesk_filer.usecases.transfer_progress import TransferProgress
from tesk_filer.usecases.worker_pool import WorkerPool
from tesk_model.locations import describe_url, parse_location
from tesk_model.task import Output


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
        missing_is_error: An output that does not exist fails the task.
        extended_patterns: See ``plan_uploads``.
        expansion: Limits the number of files.
        identities: Takes what each file is in its storage.
        batches: Runs uploads of many small files.
        targets: Hashes of the urls so far, each with its packed ``_Claim``: there may
            be a million.
    """

    transfers: Transfers
    storages: Storages
    volume: Volume
    workers: WorkerPool
    retry: Retry
    upload_file: FileUpload
    progress: TransferProgress
    missing_is_error: bool
    identities: IdentityLog
    batches: BatchThreads
    extended_patterns: bool = True
    digests: DigestList | None = None
    expansion: Expansion = field(default_factory=lambda: Expansion(Limits()))
    targets: dict[bytes, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def run(self) -> TransferResult:
        """Upload the outputs.

        Raises:
            HaltedError: The transfer was stopped from outside.
        """
        batches = BatchUploads(self.upload_file, self.workers, self.batches)
        for index, output in enumerate(self.transfers.outputs()):
            name = title(f"outputs[{index}]", output.path, describe_url(output.url))
            self.workers.call(name, partial(self._submit, index, output, batches))
        self.workers.call("outputs", batches.flush)
        self.progress.finish_plan()
        self.workers.drain()
        self.upload_file.log.flush()
        result = summarize(
            self.workers.failures, self.warnings, self.progress, self.digests
        )
        return replace(result, identified=self.identities.flush())

    def _submit(self, index: int, output: Output, batches: BatchUploads) -> None:
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
                self._submit_file(OutgoingFile(index, item), batches)

    def _submit_file(self, file: OutgoingFile, batches: BatchUploads) -> None:
        index, item = file.index, file.upload
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
            self.workers.call(file, partial(_refuse, refusal))
            return
        self.progress.plan(item.size)
        if not batches.add(self.storages.of(item.target), file):
            self.workers.submit(file, partial(self.upload_file, file))

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


def _refuse(message: str) -> None:
    raise StorageError(message)
