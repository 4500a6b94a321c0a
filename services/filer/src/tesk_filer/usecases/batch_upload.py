"""Uploads small files in batches, where a storage completes them together for less.

A file that cannot be written in its batch, and all of a batch that cannot be committed,
are uploaded by themselves: then each is retried, and says itself what is wrong.
"""

from collections.abc import Sequence
from functools import partial

from tesk_filer.domain.file_batches import FileBatch
from tesk_filer.ports import Storage, StorageError
from tesk_filer.ports.batches import WriteBatch, WritesBatches
from tesk_filer.ports.manifest import Moved
from tesk_filer.usecases.batch_threads import BatchThreads
from tesk_filer.usecases.file_progress import FileProgress
from tesk_filer.usecases.file_upload import FileUpload, OutgoingFile
from tesk_filer.usecases.worker_pool import WorkerPool

# Fewer syncs, or more threads at work where each file is synced by itself.
_BATCH = 64

_Written = list[tuple[OutgoingFile, Moved]]


class BatchUploads:
    """Collects small files, in the thread that plans, and has them uploaded."""

    def __init__(
        self, upload_file: FileUpload, workers: WorkerPool, threads: BatchThreads
    ) -> None:
        """Upload by ``threads``, which are some of ``workers``."""
        self._upload_file = upload_file
        self._workers = workers
        self._threads = threads
        self._seen: Storage | None = None
        self._storage: WritesBatches | None = None
        self._batch = FileBatch[OutgoingFile](_BATCH)

    def add(self, storage: Storage, file: OutgoingFile) -> bool:
        """Upload a file with others, soon; False: it is to be uploaded by itself.

        Raises:
            HaltedError: The transfer was stopped.
        """
        upload = file.upload
        if storage is not self._seen:  # mostly it is the one of the file before
            self.flush()
            self._seen = storage
            self._storage = storage if isinstance(storage, WritesBatches) else None
        if self._storage is None or upload.size > self._storage.small:
            return False
        self._batch.add(file, size=upload.size, path=upload.target.path)
        if self._batch.is_full:
            self.flush()
        return True

    def flush(self) -> None:
        """Have all files uploaded that wait for others.

        Raises:
            HaltedError: The transfer was stopped.
        """
        batch, self._batch = self._batch, FileBatch[OutgoingFile](_BATCH)
        if batch.files and self._storage is not None:
            work = partial(self._upload, self._storage, batch.files)
            self._threads.run(batch.files[0], work)

    def _upload(self, storage: WritesBatches, files: Sequence[OutgoingFile]) -> None:
        upload_file = self._upload_file
        left = [file for file in files if not upload_file.is_there(file)]
        if not left:
            return
        first = left[0].upload
        with upload_file.progress.of_batch(
            first.target.scheme, path=first.path, url=first.target
        ) as progress:
            complete = self._complete(storage, left, progress)
            progress.files = len(complete)
        upload_file.record_all(complete)
        done = {id(file) for file, _ in complete}
        for file in left:
            if id(file) not in done:
                self._workers.call(file, partial(upload_file, file))

    def _complete(
        self,
        storage: WritesBatches,
        files: Sequence[OutgoingFile],
        progress: FileProgress,
    ) -> _Written:
        """Upload files together; return those that are complete."""
        host = files[0].upload.target.host
        try:
            with self._upload_file.limits.request(host), storage.batch() as batch:
                written = self._write(batch, files, progress)
                batch.commit()
        except StorageError:
            progress.start()
            return []
        return written

    def _write(
        self, batch: WriteBatch, files: Sequence[OutgoingFile], progress: FileProgress
    ) -> _Written:
        written: _Written = []
        for file in files:
            before = progress.bytes
            try:
                moved = self._upload_file.send(file, batch.write, progress.advance)
            except StorageError:
                progress.add(before - progress.bytes)
            else:
                written.append((file, moved))
        return written
