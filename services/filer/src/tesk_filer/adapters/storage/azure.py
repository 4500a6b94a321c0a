"""``az://``, ``abfs://`` and urls of blobs: Azure Blob Storage, by its REST interface.

Names are literal. A blob is identified by its ETag. Large files are sent as blocks, and
appear when the list of their blocks is committed.
"""

import base64
import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import quote

from tesk_filer.adapters.storage.azure_accounts import AzureSigner, place_of
from tesk_filer.adapters.storage.azure_errors import checked
from tesk_filer.adapters.storage.azure_listing import checksums_of, parse_page
from tesk_filer.adapters.storage.azure_tokens import AzureTokens
from tesk_filer.adapters.storage.http_bodies import BytesBody, FileBody
from tesk_filer.adapters.storage.http_exchange import Body
from tesk_filer.adapters.storage.http_parts import range_header, whole_size
from tesk_filer.adapters.storage.http_pool import HttpPool
from tesk_filer.adapters.storage.http_response import HttpResponse
from tesk_filer.adapters.storage.objects import (
    ObjectName,
    ObjectPage,
    ObjectStorage,
    verify_size,
)
from tesk_filer.adapters.storage.part_uploads import PartSender, split
from tesk_filer.adapters.storage.rest import (
    Download,
    Request,
    RestClient,
    ServiceError,
    opened,
)
from tesk_filer.adapters.storage.storage_config import StorageConfig
from tesk_filer.adapters.storage.write_checks import untold
from tesk_filer.domain.checks import Verdict, WriteFound
from tesk_filer.domain.credentials import AzureAccount
from tesk_filer.ports import Advance, Credentials, Part, Source, Stat, StorageError
from tesk_model.locations import Location

_ONE_REQUEST = 32 * 1024 * 1024  # maximum of a file that is sent at once
_BLOCK = 8 * 1024 * 1024
_MAX_BLOCKS = 50_000  # of a blob
_AT_ONCE = 4  # blocks of all files
_NOTHING = BytesBody()
_NO_QUERY: Mapping[str, str] = MappingProxyType({})
_BINARY = MappingProxyType({"Content-Type": "application/octet-stream"})


class AzureService:
    """Satisfies ``ObjectService``."""

    def __init__(self, *, credentials: Credentials, pool: HttpPool) -> None:
        """Send by ``pool``."""
        self._credentials = credentials
        self._client = RestClient(pool)
        self._signer = AzureSigner(AzureTokens(self._client, pool.environ))
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="blocks")

    def name_of(self, location: Location) -> ObjectName:
        """See ``ObjectService``."""
        place = place_of(location, self._account(location))
        try:
            place.key.encode()
        except UnicodeEncodeError as error:
            message = "its name is not valid UTF-8, as Azure wants"
            raise StorageError(message) from error
        if not place.container or {".", ".."} & set(place.key.split("/")):
            raise StorageError('Azure has no such name: "." and ".." are none')
        return ObjectName(location=location, bucket=place.container, key=place.key)

    def head(self, name: ObjectName) -> Stat | None:
        """See ``ObjectService``."""
        response = self._send(name, "HEAD")
        if response.status == HTTPStatus.NOT_FOUND:
            response.close()
            return None
        headers = checked(response).headers
        response.close()
        told = _told(headers)
        return (
            told
            if told.is_directory
            else replace(told, size=whole_size(response, None))
        )

    def page(
        self, name: ObjectName, prefix: str, *, token: str, size: int
    ) -> ObjectPage:
        """See ``ObjectService``."""
        query = {
            "restype": "container",
            "comp": "list",
            "include": "metadata",
            "prefix": prefix,
            "maxresults": str(size),
            **({"marker": token} if token else {}),
        }
        container = ObjectName(location=name.location, bucket=name.bucket, key="")
        response = checked(self._send(container, "GET", query=query))
        return parse_page(response.read_document())

    @contextmanager
    def open(
        self, name: ObjectName, part: Part | None, known: Stat | None
    ) -> Iterator[Download]:
        """See ``ObjectService``."""
        condition = {"If-Match": known.etag} if known and known.etag else {}
        headers = {**condition, **range_header(part)}
        response = self._send(name, "GET", headers=headers)
        try:
            told = _told(checked(response).headers)
            if told.is_directory:
                raise StorageError("is a directory; give the input type DIRECTORY")
            yield opened(response, part, known, told)
        finally:
            response.close()

    def put(self, name: ObjectName, source: Source, advance: Advance) -> str:
        """See ``ObjectService``; the service verifies the MD5 of what it gets."""
        advance(0)  # the last chance to stop
        if source.size > _ONE_REQUEST:
            return self._put_blocks(name, source, advance)
        body = FileBody(source.descriptor, 0, source.size, advance)
        kind = {"x-ms-blob-type": "BlockBlob", **_BINARY}
        return self._put(name, body, headers=kind)

    def delete(self, name: ObjectName) -> None:
        """See ``ObjectService``."""
        response = self._send(name, "DELETE")
        if response.status != HTTPStatus.NOT_FOUND:
            checked(response)
        response.close()

    def check_put(self, name: ObjectName) -> WriteFound:
        """See ``ObjectService``; asks to commit a block that was never sent.

        The service refuses that to everyone; to those who may not write, for that
        reason.

        Source:
            Azure Storage REST, "Put Block List": ``InvalidBlockList``.
        """
        block = _block_id(secrets.token_hex(8), 0)
        response = self._commit(name, [block])
        try:
            checked(response).close()
        except ServiceError as error:
            if error.code != "InvalidBlockList":
                raise
            message = "a write was accepted but for its content; nothing was written"
            return WriteFound(Verdict.OK, message)
        return untold("Azure answers what makes no sense")

    def close(self) -> None:
        """See ``ObjectService``."""
        self._pool.shutdown()
        self._client.close()

    def _put_blocks(self, name: ObjectName, source: Source, advance: Advance) -> str:
        """Send a file as blocks; what is not committed is removed by Azure in a week.

        Source:
            Azure Storage REST, "Put Block" and "Put Block List".
        """
        block = max(_BLOCK, -(-source.size // _MAX_BLOCKS))
        ids = {
            part: _block_id(source.tag, number)
            for number, part in enumerate(split(source.size, block))
        }

        def send(part: Part, body: FileBody) -> None:
            self._put(name, body, query={"comp": "block", "blockid": ids[part]})

        host = name.location.host
        sender = PartSender(source, advance, host=host, at_once=_AT_ONCE)
        sender.send_all(self._pool, ids, send)
        etag = sender.finish(lambda: _written(self._commit(name, ids.values())))
        verify_size(self, name, source.size)
        return etag

    def _commit(self, name: ObjectName, blocks: Iterable[str]) -> HttpResponse:
        """Make a blob of blocks."""
        latest = "".join(f"<Latest>{each}</Latest>" for each in blocks)
        return self._send(
            name,
            "PUT",
            query={"comp": "blocklist"},
            headers={"x-ms-blob-content-type": _BINARY["Content-Type"]},
            body=BytesBody(f"<BlockList>{latest}</BlockList>".encode()),
        )

    def _put(
        self,
        name: ObjectName,
        body: FileBody,
        *,
        query: Mapping[str, str] = _NO_QUERY,
        headers: Mapping[str, str] = _NO_QUERY,
    ) -> str:
        """Send bytes; return the ETag of the blob, which a block has not."""
        digest = hashlib.md5(usedforsecurity=False)
        body.add_to(digest)
        md5 = base64.b64encode(digest.digest()).decode()
        response = self._send(
            name,
            "PUT",
            query=query,
            headers={**headers, "Content-MD5": md5},
            body=body,
        )
        return _written(response)

    def _account(self, location: Location) -> AzureAccount:
        found = self._credentials.find(location)
        return found if isinstance(found, AzureAccount) else AzureAccount()

    def _send(
        self,
        name: ObjectName,
        method: str,
        *,
        query: Mapping[str, str] = _NO_QUERY,
        headers: Mapping[str, str] = _NO_QUERY,
        body: Body = _NOTHING,
    ) -> HttpResponse:
        account = self._account(name.location)
        place = place_of(name.location, account)
        path = f"/{quote(name.key, safe='/')}" if name.key else ""
        request = Request(
            method=method,
            url=f"{place.endpoint}/{quote(name.bucket, safe='$')}{path}",
            query=query,
            headers=headers,
            body=body,
        )
        return self._client.send(self._signer.sign(request, account, place.account))


def open_storage(config: StorageConfig) -> ObjectStorage:
    """Return the storage of Azure."""
    return ObjectStorage(
        AzureService(
            credentials=config.credentials,
            pool=HttpPool(
                timeouts=config.timeouts,
                size=config.idle_connections,
                environ=config.environ,
            ),
        )
    )


def _written(response: HttpResponse) -> str:
    """Check and finish what the service answers to a write; return the ETag there."""
    etag = checked(response).headers.get("ETag", "")
    response.close()
    return etag


def _told(headers: Mapping[str, str]) -> Stat:
    """Return what headers tell of a whole blob, but for its size."""
    if headers.get("x-ms-meta-hdi_isfolder", "").lower() == "true":
        return Stat(is_directory=True)
    # Content-MD5 is that of the part, where there is one.
    md5 = headers.get("x-ms-blob-content-md5", "")
    if not md5 and "Content-Range" not in headers:
        md5 = headers.get("Content-MD5", "")
    try:
        return Stat(etag=headers.get("ETag", ""), checksums=checksums_of(md5))
    except ValueError as error:
        message = "Azure answers what makes no sense; check the endpoint of the account"
        raise StorageError(message) from error


def _block_id(tag: str, number: int) -> str:
    """Return the id of a block: all of a blob must have one length.

    Transfers do not take each other's blocks for theirs.
    """
    owner = hashlib.blake2b(tag.encode(), digest_size=8).hexdigest()
    return base64.b64encode(f"{owner}-{number:05}".encode()).decode()
