"""``gs://bucket/name``: Google Cloud Storage, by its JSON API.

Google's client library and smart_open are not used: their import costs more than a
whole transfer, and smart_open reads without the generation. Names are literal. An
object is identified by its generation.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import quote

from tesk_filer.adapters.storage.gs_credentials import GoogleTokens
from tesk_filer.adapters.storage.gs_documents import (
    FIELDS,
    checked,
    entry_of,
    parse_json,
    stat_of,
    told_of,
    understood,
    verify,
)
from tesk_filer.adapters.storage.gs_uploads import BACKOFF, CHUNK, ResumableUpload
from tesk_filer.adapters.storage.http_bodies import BytesBody, FileBody
from tesk_filer.adapters.storage.http_exchange import Body
from tesk_filer.adapters.storage.http_parts import range_header
from tesk_filer.adapters.storage.http_pool import HttpPool
from tesk_filer.adapters.storage.http_response import HttpResponse
from tesk_filer.adapters.storage.objects import ObjectName, ObjectPage, ObjectStorage
from tesk_filer.adapters.storage.rest import Download, Request, RestClient, opened
from tesk_filer.adapters.storage.storage_config import StorageConfig
from tesk_filer.adapters.storage.upload_aborts import UploadAborts
from tesk_filer.adapters.storage.write_checks import check_by_upload
from tesk_filer.domain.checks import Verdict, WriteFound
from tesk_filer.domain.credentials import GcsAccount
from tesk_filer.ports import (
    Advance,
    Credentials,
    Part,
    Source,
    Stat,
    StorageError,
)
from tesk_model.locations import Location

_ENDPOINT = "https://storage.googleapis.com"
_ONE_REQUEST = 8 * 1024 * 1024  # maximum of a file that is sent at once
_CREATE, _DELETE = "storage.objects.create", "storage.objects.delete"
# 499: "Client Closed Request", which is how a cancelation is confirmed.
_CANCELED = frozenset({204, 404, 410, 499})
_NOTHING = BytesBody()
_BINARY: Mapping[str, str] = MappingProxyType(
    {"Content-Type": "application/octet-stream"}
)


class GoogleService:
    """Satisfies ``ObjectService``."""

    def __init__(
        self,
        *,
        credentials: Credentials,
        pool: HttpPool,
        chunk: int = CHUNK,
        backoff: timedelta = BACKOFF,
    ) -> None:
        """Send by ``pool``, large files by ``chunk`` bytes (a multiple of 256 KiB).

        Args:
            credentials: By url.
            pool: Has the connections.
            chunk: Bytes that are sent by one request.
            backoff: Upper bound of the pause after a chunk failed once.
        """
        self._credentials = credentials
        self._chunk = chunk
        self._backoff = backoff
        self._client = RestClient(pool)
        self._aborts = UploadAborts()
        self._tokens = GoogleTokens(self._client, pool.environ)

    def name_of(self, location: Location) -> ObjectName:
        """See ``ObjectService``."""
        try:
            location.path.encode()
        except UnicodeEncodeError as error:
            message = "its name is not valid UTF-8, as Google Cloud Storage wants"
            raise StorageError(message) from error
        if location.path in (".", ".."):
            raise StorageError(f'Google Cloud Storage has no name "{location.path}"')
        return ObjectName(location=location, bucket=location.host, key=location.path)

    def head(self, name: ObjectName) -> Stat | None:
        """See ``ObjectService``."""
        path = f"/storage/v1{_path(name)}"
        response = self._send(name, "GET", path, query={"fields": FIELDS})
        if response.status == HTTPStatus.NOT_FOUND:
            response.close()
            return None
        return stat_of(parse_json(checked(response)))

    def page(
        self, name: ObjectName, prefix: str, *, token: str, size: int
    ) -> ObjectPage:
        """See ``ObjectService``."""
        query = {
            "prefix": prefix,
            "maxResults": str(size),
            "fields": f"nextPageToken,items({FIELDS})",
            **({"pageToken": token} if token else {}),
        }
        path = f"/storage/v1/b/{quote(name.bucket, safe='')}/o"
        document = parse_json(checked(self._send(name, "GET", path, query=query)))
        with understood():
            entries = [entry_of(item) for item in document.get("items", [])]
            return ObjectPage(entries=entries, token=document.get("nextPageToken", ""))

    @contextmanager
    def open(
        self, name: ObjectName, part: Part | None, known: Stat | None
    ) -> Iterator[Download]:
        """See ``ObjectService``; bytes come as they are stored.

        Source:
            Cloud Storage, "Transcoding of gzip-compressed files": what is stored
            with the content encoding gzip is unpacked unless gzip is accepted.
        """
        query = {"alt": "media"}
        if known and known.etag:
            query["ifGenerationMatch"] = known.etag
        response = self._send(
            name,
            "GET",
            f"/download/storage/v1{_path(name)}",
            query=query,
            headers={"Accept-Encoding": "gzip", **range_header(part)},
        )
        try:
            yield opened(response, part, known, told_of(checked(response).headers))
        finally:
            response.close()

    def put(self, name: ObjectName, source: Source, advance: Advance) -> str:
        """See ``ObjectService``; large files are sent by a resumable upload."""
        advance(0)  # the last chance to stop
        if source.size > _ONE_REQUEST:
            return self._put_resumable(name, source, advance)
        body = FileBody(source.descriptor, 0, source.size, advance)
        digest = hashlib.md5(usedforsecurity=False)
        body.add_to(digest)
        response = self._upload(name, "media", body=body)
        written = parse_json(checked(response))
        verify(written, source.size, digest)
        return stat_of(written).etag

    def delete(self, name: ObjectName) -> None:
        """See ``ObjectService``."""
        response = self._send(name, "DELETE", f"/storage/v1{_path(name)}", query={})
        if response.status != HTTPStatus.NOT_FOUND:
            checked(response)
        response.close()

    def check_put(self, name: ObjectName) -> WriteFound:
        """See ``ObjectService``; asks for permissions first.

        A permission that is given for some names alone is not told for the bucket: then
        an upload to this name is begun.

        Source:
            Cloud Storage, "Buckets: testIamPermissions", "Resumable uploads".
        """
        granted = self._permissions(name)
        if _CREATE not in granted:
            return check_by_upload(
                lambda: self._begin(name),
                self._cancel,
                cure="Google Cloud Storage removes it after a week",
            )
        if _DELETE not in granted:
            with suppress(StorageError):  # the right to write is not that to read
                if self.head(name) is not None:
                    message = f"exists, and must not be replaced: {_DELETE} is lacking"
                    return WriteFound(Verdict.FAILED, message)
        message = f"{_CREATE} is granted for the bucket; nothing was written"
        return WriteFound(Verdict.OK, message)

    def close(self) -> None:
        """See ``ObjectService``."""
        self._client.close()

    def _permissions(self, name: ObjectName) -> Collection[str]:
        """Return what may be done in the bucket; nothing if that is not told."""
        asked = f"permissions={_CREATE}&permissions={_DELETE}"
        path = f"/storage/v1/b/{quote(name.bucket, safe='')}/iam/testPermissions"
        response = self._send(name, "GET", f"{path}?{asked}", query={})
        if response.status != HTTPStatus.OK:
            response.close()
            return ()
        with understood():
            return set(parse_json(response).get("permissions", []))

    def _put_resumable(self, name: ObjectName, source: Source, advance: Advance) -> str:
        """Send a file in chunks; it appears with the last one."""
        self._aborts.abort_left(name.bucket)
        session = self._begin(name)
        upload = ResumableUpload(
            self._client,
            session,
            source=source,
            advance=advance,
            chunk=self._chunk,
            backoff=self._backoff,
        )
        try:
            written = upload.send()
            verify(written, source.size, upload.digest)
            return stat_of(written).etag
        except BaseException:
            self._aborts.abort(name.bucket, partial(self._cancel, session))
            raise

    def _begin(self, name: ObjectName) -> str:
        """Begin a resumable upload; return the url of its session."""
        response = checked(self._upload(name, "resumable"))
        session = response.headers.get("Location", "")
        response.close()
        if not session.startswith(("https://", "http://")):
            raise StorageError("Google Cloud Storage begins no upload", transient=True)
        return session

    def _cancel(self, session: str) -> None:
        """Cancel a resumable upload."""
        response = self._client.send(Request(method="DELETE", url=session))
        if response.status not in _CANCELED:
            checked(response)
        response.close()

    def _upload(
        self, name: ObjectName, kind: str, body: Body = _NOTHING
    ) -> HttpResponse:
        return self._send(
            name,
            "POST",
            f"/upload/storage/v1/b/{quote(name.bucket, safe='')}/o",
            query={"uploadType": kind, "name": name.key, "fields": FIELDS},
            headers=_BINARY,
            body=body,
        )

    def _send(
        self,
        name: ObjectName,
        method: str,
        path: str,
        *,
        query: Mapping[str, str],
        headers: Mapping[str, str] = MappingProxyType({}),
        body: Body = _NOTHING,
    ) -> HttpResponse:
        found = self._credentials.find(name.location)
        account = found if isinstance(found, GcsAccount) else GcsAccount()
        url = (account.endpoint.rstrip("/") or _ENDPOINT) + path
        return self._client.send(
            Request(
                method=method,
                url=url,
                query=query,
                headers={**headers, **self._tokens.headers(account)},
                body=body,
            )
        )


def open_storage(config: StorageConfig) -> ObjectStorage:
    """Return the storage of gs."""
    return ObjectStorage(
        GoogleService(
            credentials=config.credentials,
            pool=HttpPool(
                timeouts=config.timeouts,
                size=config.idle_connections,
                environ=config.environ,
            ),
        )
    )


def _path(name: ObjectName) -> str:
    return f"/b/{quote(name.bucket, safe='')}/o/{quote(name.key, safe='')}"
