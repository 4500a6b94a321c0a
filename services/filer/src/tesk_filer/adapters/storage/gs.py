"""``gs://bucket/name``: Google Cloud Storage, by its JSON API.

Google's client library and smart_open are not used: their import costs more than a
whole transfer, and smart_open reads without the generation. Names are literal. An
object is identified by its generation.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
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
from tesk_filer.adapters.storage.gs_uploads import CHUNK, ResumableUpload
from tesk_filer.adapters.storage.http_bodies import BytesBody, FileBody
from tesk_filer.adapters.storage.http_exchange import Body
from tesk_filer.adapters.storage.http_parts import range_header
from tesk_filer.adapters.storage.http_pool import HttpPool
from tesk_filer.adapters.storage.objects import ObjectName, ObjectPage, ObjectStorage
from tesk_filer.adapters.storage.rest import (
    Download,
    Request,
    RestClient,
    RestResponse,
    opened,
)
from tesk_filer.adapters.storage.storage_config import StorageConfig
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
_NOTHING = BytesBody()
_BINARY: Mapping[str, str] = MappingProxyType(
    {"Content-Type": "application/octet-stream"}
)


class GoogleService:
    """Satisfies ``ObjectService``."""

    def __init__(
        self, *, credentials: Credentials, pool: HttpPool, chunk: int = CHUNK
    ) -> None:
        """Send by ``pool``, large files by ``chunk`` bytes (a multiple of 256 KiB)."""
        self._credentials = credentials
        self._chunk = chunk
        self._client = RestClient(pool)
        self._tokens = GoogleTokens(self._client)

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

    def put(self, name: ObjectName, source: Source, advance: Advance) -> None:
        """See ``ObjectService``; large files are sent by a resumable upload."""
        advance(0)  # the last chance to stop
        if source.size > _ONE_REQUEST:
            self._put_resumable(name, source, advance)
            return
        body = FileBody(source.descriptor, 0, source.size, advance)
        digest = hashlib.md5(usedforsecurity=False)
        body.add_to(digest)
        response = self._upload(name, "media", body=body)
        verify(parse_json(checked(response)), source.size, digest)
        advance(source.size)

    def delete(self, name: ObjectName) -> None:
        """See ``ObjectService``."""
        response = self._send(name, "DELETE", f"/storage/v1{_path(name)}", query={})
        if response.status != HTTPStatus.NOT_FOUND:
            checked(response)
        response.close()

    def close(self) -> None:
        """See ``ObjectService``."""
        self._client.close()

    def _put_resumable(
        self, name: ObjectName, source: Source, advance: Advance
    ) -> None:
        """Send a file in chunks; it appears with the last one."""
        response = checked(self._upload(name, "resumable"))
        session = response.headers.get("Location", "")
        response.close()
        if not session.startswith(("https://", "http://")):
            raise StorageError("Google Cloud Storage begins no upload", transient=True)
        upload = ResumableUpload(
            self._client, session, source=source, advance=advance, chunk=self._chunk
        )
        try:
            verify(upload.send(), source.size, upload.digest)
        except BaseException:
            with suppress(StorageError):
                self._client.send(Request(method="DELETE", url=session)).close()
            raise

    def _upload(
        self, name: ObjectName, kind: str, body: Body = _NOTHING
    ) -> RestResponse:
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
    ) -> RestResponse:
        found = self._credentials.find(name.location)
        account = found if isinstance(found, GcsAccount) else GcsAccount()
        url = (account.endpoint.rstrip("/") or _ENDPOINT) + path
        return self._client.send(
            Request(
                method=method,
                url=url,
                query=query,
                headers={**headers, **self._tokens.headers(account, method, url)},
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
                size=config.connections * 2,
                environ=config.environ,
            ),
        )
    )


def _path(name: ObjectName) -> str:
    return f"/b/{quote(name.bucket, safe='')}/o/{quote(name.key, safe='')}"
