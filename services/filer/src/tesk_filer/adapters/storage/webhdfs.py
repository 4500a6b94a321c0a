"""``webhdfs://``, ``swebhdfs://`` and ``hdfs://``: HDFS, by WebHDFS.

smart_open is not used: it has no listing and no timeouts, reads a file that is replaced
meanwhile, and writes in place. Paths are literal, as for Hadoop's own tools. HDFS knows
no condition, so a file is compared after it was read.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any

from tesk_filer.adapters.storage.cursors import prepend
from tesk_filer.adapters.storage.directory_targets import directory_in_the_way
from tesk_filer.adapters.storage.egress import Egress
from tesk_filer.adapters.storage.http_bodies import FileBody
from tesk_filer.adapters.storage.http_pool import HttpPool
from tesk_filer.adapters.storage.http_response import HttpResponse
from tesk_filer.adapters.storage.rest import Download, RestClient, ServiceError
from tesk_filer.adapters.storage.storage_config import (
    HdfsService,
    StorageConfig,
)
from tesk_filer.adapters.storage.webhdfs_documents import (
    SEPARATOR,
    listed,
    sort_statuses,
    stat_of,
)
from tesk_filer.adapters.storage.webhdfs_requests import NOT_FOUND, WebHdfs, nonsense
from tesk_filer.adapters.storage.write_checks import folders_above, untold
from tesk_filer.adapters.temporary_names import temporary_name
from tesk_filer.domain.checks import Verdict, WriteFound
from tesk_filer.ports import (
    Advance,
    ChangedError,
    Credentials,
    Cursor,
    Entry,
    Page,
    Part,
    Source,
    Stat,
    StorageError,
)
from tesk_model.locations import Location, printable


class WebHdfsStorage:
    """Files of HDFS."""

    def __init__(
        self,
        *,
        credentials: Credentials,
        pool: HttpPool,
        egress: Egress,
        service: HdfsService,
    ) -> None:
        """Send by ``pool``, which connects as ``egress`` allows."""
        self._client = RestClient(pool)
        self._hdfs = WebHdfs(self._client, egress, credentials, service)
        self._without_pages: set[str] = set()  # hosts that list at once alone

    def stat(self, location: Location) -> Stat | None:
        """See ``Storage``."""
        found = self._status(location)
        return None if found is None else stat_of(found)

    def list(self, location: Location, cursor: Cursor = ()) -> Page:
        """See ``Storage``; each page is a part of one directory."""
        here, pending = cursor or (SEPARATOR, ())
        relative, _, last = here.partition(SEPARATOR)
        folder = location.below(relative) if relative else location
        statuses, remaining = self._statuses(folder, last)
        entries, folders, notes = sort_statuses(statuses, relative)
        if not statuses and relative and not last:
            entries = [Entry(name=relative, is_directory=True)]
        if remaining and statuses:
            suffix = statuses[-1]["pathSuffix"]
            folders.insert(0, f"{relative}{SEPARATOR}{suffix}")
        depth = relative.count("/") + 1 if relative else 0
        return Page(
            entries,
            prepend(folders, pending),
            notes,
            directory="" if last else folder.path,
            depth=depth,
        )

    @contextmanager
    def open(
        self, location: Location, *, part: Part | None = None, known: Stat | None = None
    ) -> Iterator["_Download"]:
        """See ``Storage``."""
        found = known or self.stat(location)
        if found is None:
            raise StorageError(f"does not exist ({NOT_FOUND}); check the path")
        if found.is_directory:
            raise StorageError("is a directory; give the input type DIRECTORY")
        arguments = {"offset": "0"}
        if part:
            length = str(part.stop - part.start)
            arguments = {"offset": str(part.start), "length": length}
        try:
            response = self._hdfs.follow("GET", location, "OPEN", arguments)
        except StorageError:
            self._compare(location, found)
            raise
        compare = partial(self._compare, location, found)
        try:
            yield _Download(response, found, part, compare)
        finally:
            response.close()

    def write(self, location: Location, source: Source, advance: Advance) -> str:
        """See ``Storage``; a file appears by its renaming, parents are made."""
        advance(0)  # the last chance to stop
        parent, _, name = location.path.rpartition("/")
        if not name:
            raise StorageError("names a directory, not a file")
        temporary = _at(location, f"{parent}/{temporary_name(name, source.tag)}")
        try:
            self._create(temporary, source, advance)
            self._rename(temporary, location)
        except BaseException:
            with suppress(StorageError):
                self._hdfs.ask("DELETE", temporary, "DELETE")
            raise
        return ""

    def check_write(self, location: Location) -> WriteFound:
        """See ``usecases.checks.ChecksWrites``; HDFS has a question for it."""
        found = self.stat(location)
        if found is not None and found.is_directory:
            raise directory_in_the_way()
        for path in folders_above(location.path):
            folder = _at(location, path)
            status = self._status(folder)
            if status is None:
                continue
            if status.get("type") != "DIRECTORY":
                raise StorageError("one of the directories above it is a file")
            try:
                self._hdfs.ask("GET", folder, "CHECKACCESS", {"fsaction": "-wx"})
            except ServiceError as error:
                if error.status != HTTPStatus.BAD_REQUEST:
                    raise
                return untold("the server does not tell")
            message = f"a file can be written in {printable(path)}; none was"
            return WriteFound(Verdict.OK, message)
        return untold("no folder there exists")

    def make_directory(self, location: Location) -> None:
        """See ``Storage``."""
        if not self._hdfs.ask("PUT", location, "MKDIRS").get("boolean"):
            raise StorageError("the directory cannot be made")

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _create(self, location: Location, source: Source, advance: Advance) -> None:
        arguments = {"overwrite": "true", "noredirect": "false"}
        body = FileBody(source.descriptor, 0, source.size, advance)
        self._hdfs.follow("PUT", location, "CREATE", arguments, body=body).close()
        found = self.stat(location)
        if found is None or found.size != source.size:
            there = "nothing" if found is None else f"{found.size} bytes"
            message = f"{source.size} bytes were sent and {there} arrived"
            raise StorageError(message, transient=True)

    def _rename(self, old: Location, new: Location) -> None:
        target = {"destination": new.path}
        overwriting = {**target, "renameoptions": "OVERWRITE"}
        done = self._hdfs.ask("PUT", old, "RENAME", overwriting)
        if "boolean" not in done:
            return
        # HttpFS does not know the option: the file is away for a moment.
        if not done["boolean"]:
            self._refuse_directory(old, new)
            self._hdfs.ask("DELETE", new, "DELETE")
            if not self._hdfs.ask("PUT", old, "RENAME", target).get("boolean"):
                raise StorageError("the file cannot be renamed when it is complete")
        self._refuse_directory(old, new)

    def _refuse_directory(self, old: Location, new: Location) -> None:
        """Raise StorageError if ``new`` is a directory; ``old`` may have moved into it."""
        found = self.stat(new)
        if found is not None and found.is_directory:
            name = old.path.rpartition("/")[2]
            with suppress(StorageError):
                self._hdfs.ask("DELETE", _at(new, f"{new.path}/{name}"), "DELETE")
            raise directory_in_the_way()

    def _status(self, location: Location) -> Mapping[str, Any] | None:
        try:
            answer = self._hdfs.ask("GET", location, "GETFILESTATUS")
        except ServiceError as error:
            if error.code == NOT_FOUND:
                return None
            raise
        status = answer.get("FileStatus")
        if not isinstance(status, dict):
            raise nonsense()
        return status

    def _statuses(
        self, folder: Location, last: str
    ) -> tuple[Sequence[Mapping[str, Any]], bool]:
        """Return what lies in a directory after ``last``, and whether there is more."""
        if folder.host not in self._without_pages:
            arguments = {"startAfter": last} if last else {}
            try:
                answer = self._hdfs.ask("GET", folder, "LISTSTATUS_BATCH", arguments)
            except ServiceError as error:
                if error.status != HTTPStatus.BAD_REQUEST or last:
                    raise
                self._without_pages.add(folder.host)  # older than Hadoop 2.9
            else:
                listing = answer.get("DirectoryListing")
                if not isinstance(listing, dict):
                    raise nonsense()
                statuses = listed(listing.get("partialListing"))
                return statuses, bool(listing.get("remainingEntries"))
        return listed(self._hdfs.ask("GET", folder, "LISTSTATUS")), False

    def _compare(self, location: Location, known: Stat) -> None:
        status = self._status(location)
        if status is not None and stat_of(status).etag != known.etag != "":
            raise ChangedError


class _Download(Download):
    """A file that is downloaded, and compared at its end; satisfies ``Compares``."""

    def __init__(
        self,
        response: HttpResponse,
        found: Stat,
        part: Part | None,
        compare: Callable[[], None],
    ) -> None:
        super().__init__(response, found)
        self._left = (part.stop - part.start if part else found.size) or 0
        self.compare = compare
        self._is_compared = False

    def read(self, size: int) -> bytes:
        """See ``Reader``."""
        data = super().read(min(size, self._left)) if self._left else b""
        self._left -= len(data)
        if not self._is_compared and not (data and self._left):
            self._is_compared = True
            self.compare()
        return data


def open_storage(config: StorageConfig) -> WebHdfsStorage:
    """Return the storage of HDFS."""
    return WebHdfsStorage(
        credentials=config.credentials,
        pool=HttpPool(
            timeouts=config.timeouts,
            size=config.connections * 2,
            environ=config.environ,
            egress=config.egress,
        ),
        egress=config.egress,
        service=config.hdfs,
    )


def _at(location: Location, path: str) -> Location:
    return replace(location, path=path, written=path)
