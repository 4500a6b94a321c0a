"""Uploads single files, and records them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from tesk_filer.domain.digest_list import ALGORITHM, DigestList
from tesk_filer.domain.downloads import title
from tesk_filer.domain.far_hosts import widening_of
from tesk_filer.domain.identities import identity_of
from tesk_filer.domain.uploads import Upload
from tesk_filer.ports import NO_CHECKSUMS, Advance, Source, Storages
from tesk_filer.ports.manifest import Manifest, Moved, NoManifest
from tesk_filer.ports.volume import Volume
from tesk_filer.usecases.file_progress import FileProgress
from tesk_filer.usecases.identity_log import IdentityLog
from tesk_filer.usecases.load_limits import HostLimits
from tesk_filer.usecases.output_log import OutputLog
from tesk_filer.usecases.retry import Retry
from tesk_filer.usecases.transfer_progress import TransferProgress
from tesk_model.locations import Location, printable
from tesk_model.task import OutputFileLog

Write = Callable[[Location, Source, Advance], str]
"""As ``Storage.write``."""


@dataclass(frozen=True, slots=True)
class OutgoingFile:
    """A file that is to be uploaded; its text names it for people."""

    index: int
    upload: Upload

    def __str__(self) -> str:
        """Name it for people, without credentials."""
        field = f"outputs[{self.index}]"
        return title(field, self.upload.path, str(self.upload.target))


@dataclass(frozen=True, slots=True, kw_only=True)
class FileUpload:
    """Uploads one file after the other; safe for many threads.

    Attributes:
        digests: Takes the digest of every file; None: not wanted.
        log: Lists what has been uploaded.
        identities: Takes what each file is in its storage.
    """

    storages: Storages
    volume: Volume
    retry: Retry
    progress: TransferProgress
    limits: HostLimits
    log: OutputLog
    identities: IdentityLog
    digests: DigestList | None = None
    manifest: Manifest = field(default_factory=NoManifest)

    def __call__(self, file: OutgoingFile) -> None:
        """Upload a file, unless an earlier filer has.

        Raises:
            StorageError: It cannot be uploaded.
            HaltedError: The transfer was stopped.
        """
        if self.is_there(file):
            return
        target = file.upload.target
        with self.progress.of_file(
            target.scheme, path=file.upload.path, url=target
        ) as file_progress:
            moved = self.retry(partial(self._send, file, file_progress))
        self.record_all([(file, moved)])

    def is_there(self, file: OutgoingFile) -> bool:
        """Tell whether an earlier filer has uploaded the file; if so, it is listed."""
        upload = file.upload
        moved = self.manifest.moved(upload.path, upload.target.url_of_user)
        if moved is None or not self._is_sent(upload, moved):
            return False
        self.progress.resume(1, moved.size)
        self._list(upload, moved)
        return True

    def send(self, file: OutgoingFile, write: Write, advance: Advance) -> Moved:
        """Send a file of the volume by ``write``; return what is to be recorded.

        Raises:
            StorageError: It cannot be sent.
            HaltedError: The transfer was stopped.
        """
        upload = file.upload
        with self.volume.open(upload.path, str(file.index)) as source:
            self.progress.check(source.size)
            etag = write(upload.target, source, advance)
            digests = NO_CHECKSUMS
            if self.digests is not None:
                found = self.volume.digest(source, ALGORITHM, advance)
                digests = {ALGORITHM: found}
            return Moved(
                size=source.size,
                stamp=source.stamp,
                identity=identity_of(upload.target, etag=etag, checksums=NO_CHECKSUMS),
                digests=digests,
            )

    def record_all(self, files: Sequence[tuple[OutgoingFile, Moved]]) -> None:
        """Note files that are complete, for a later filer and in the task's log."""
        self.manifest.add_all(
            (file.upload.path, file.upload.target.url_of_user, moved)
            for file, moved in files
        )
        for file, moved in files:
            self._list(file.upload, moved)

    def _send(self, file: OutgoingFile, file_progress: FileProgress) -> Moved:
        file_progress.start()
        target = file.upload.target
        storage = self.storages.of(target)
        widening = widening_of(target.scheme, file.upload.size)
        with self.limits.request(target.host, widening) as responded:
            moved = self.send(file, storage.write, file_progress.advance)
            responded()
            return moved

    def _is_sent(self, upload: Upload, moved: Moved) -> bool:
        """Tell whether an earlier filer has sent the file, as it is now."""
        if self.digests is not None and ALGORITHM not in moved.digests:
            return False
        return moved.stamp == self.volume.stamp(upload.path)

    def _list(self, upload: Upload, moved: Moved) -> None:
        if self.digests is not None:
            self.digests.add(upload.path, moved.digests[ALGORITHM])
        self.log.add(
            OutputFileLog(
                url=printable(upload.target.url),
                path=printable(upload.path),
                size_bytes=moved.size,
            )
        )
        self.identities.add(
            upload.path, upload.target, size=moved.size, identity=moved.identity
        )
