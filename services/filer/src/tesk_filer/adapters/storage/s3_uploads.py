"""Writes objects, small ones by one request and large ones in parts at once.

No part is held in memory: each is read from the file twice, for its digest and to be
sent. The service compares what arrived with the digest, which the signature holds.
"""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from tesk_filer.adapters.storage.http_bodies import BytesBody, FileBody
from tesk_filer.adapters.storage.part_uploads import PartSender, split
from tesk_filer.adapters.storage.s3_checksums import etag_of_parts, md5_of_etag
from tesk_filer.adapters.storage.s3_errors import S3RefusedError, explain_join
from tesk_filer.adapters.storage.s3_messages import (
    format_parts,
    parse_completed,
    parse_error,
    parse_upload_id,
)
from tesk_filer.adapters.storage.s3_requests import S3Request, S3Requests
from tesk_filer.adapters.storage.upload_aborts import UploadAborts
from tesk_filer.adapters.storage.write_checks import check_by_upload, untold
from tesk_filer.domain.checks import WriteFound
from tesk_filer.ports import Advance, Part, Source, StorageError
from tesk_model.locations import Location

_MIB = 1024 * 1024
ONE_REQUEST = 32 * _MIB
"""Maximum of a file that is uploaded at once."""
_PART = 32 * _MIB
_AT_ONCE = 8  # parts of one file; more of them make servers wait for their disks
_MAX_PARTS = 10_000  # of S3, as is the next
_MAX_PART = 5 * 1024 * _MIB
_WITHOUT_PARTS = frozenset({"NotImplemented", "MethodNotAllowed", "501", "405"})
_NO_UPLOAD = "NoSuchUpload"
_LOST = "S3 has lost its parts before they were joined"
UNABORTED_CURE = "allow s3:AbortMultipartUpload, or let a rule of the bucket remove incomplete uploads"
"""What removes an upload that could not be aborted."""


def part_size(size: int) -> int:
    """Return the bytes of each part of a file but the last.

    Raises:
        StorageError: S3 takes no file of ``size``.
    """
    needed = -(-size // _MAX_PARTS)
    rounded = -(-needed // _MIB) * _MIB
    if rounded > _MAX_PART:
        message = f"has {size:,} bytes; S3 takes {_MAX_PART * _MAX_PARTS:,} at most"
        raise StorageError(message)
    return max(_PART, rounded)


@dataclass(slots=True, kw_only=True)
class S3Uploads:
    """Writes objects; thread-safe.

    Attributes:
        parallel: Parts that are sent at once, of all files together.
    """

    requests: S3Requests
    parallel: int
    _threads: ThreadPoolExecutor | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _aborts: UploadAborts = field(default_factory=UploadAborts)

    def write(self, location: Location, source: Source, advance: Advance) -> str:
        """See ``Storage.write``; an object appears whole or not at all."""
        advance(0)  # the last chance to stop an empty file
        if source.size > ONE_REQUEST:
            at_once = min(self.parallel, _AT_ONCE)
            upload = _PartsUpload(
                self.requests, location, source, advance, at_once=at_once
            )
            return upload.run(self._workers(), self._aborts)
        body = FileBody(source.descriptor, 0, source.size, advance)
        put = S3Request(method="PUT", location=location, key=location.path)
        return _send_verified(self.requests, put, body)

    def check(self, location: Location) -> WriteFound:
        """Tell whether an object could be written.

        Source:
            Amazon S3, "CreateMultipartUpload": it needs the permission to put the
            object, and until the upload is completed there is no object.
        """
        put = S3Request(method="PUT", location=location, key=location.path)
        try:
            return check_by_upload(
                lambda: _begin(self.requests, put),
                lambda upload: _abort(self.requests, put, upload),
                cure=UNABORTED_CURE,
            )
        except S3RefusedError as error:
            if error.code not in _WITHOUT_PARTS:
                raise
            return untold("the service has no uploads in parts")

    def close(self) -> None:
        """End the threads."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _workers(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(
                    self.parallel, thread_name_prefix="part"
                )
            return self._threads


class _PartsUpload:
    """One upload in parts: complete at its end, or without a trace."""

    def __init__(
        self,
        requests: S3Requests,
        location: Location,
        source: Source,
        advance: Advance,
        *,
        at_once: int,
    ) -> None:
        self._requests = requests
        self._parts = list(split(source.size, part_size(source.size)))
        at_once = min(at_once, len(self._parts))
        self._sender = PartSender(source, advance, host=location.host, at_once=at_once)
        self._request = S3Request(method="PUT", location=location, key=location.path)
        self._upload = ""
        self._numbers = {part: number for number, part in enumerate(self._parts, 1)}
        self._etags = dict.fromkeys(self._parts, "")

    def run(self, workers: ThreadPoolExecutor, aborts: UploadAborts) -> str:
        """Send all parts; on any failure remove those that were sent.

        Returns:
            The ETag of the object; "" if the service does not say.
        """
        bucket = self._request.location.host
        aborts.abort_left(bucket)
        self._upload = _begin(self._requests, self._request)
        try:
            self._send_all(workers)
            return self._complete()
        except BaseException:
            aborts.abort(
                bucket, partial(_abort, self._requests, self._request, self._upload)
            )
            raise

    def _send_all(self, workers: ThreadPoolExecutor) -> None:
        try:
            self._sender.send_all(workers, self._parts, self._send_part)
        except S3RefusedError as error:
            if error.code == _NO_UPLOAD:
                raise StorageError(_LOST, transient=True) from error
            raise

    def _send_part(self, part: Part, body: FileBody) -> None:
        number = self._numbers[part]
        query = {"partNumber": str(number), "uploadId": self._upload}
        put = replace(self._request, query=query)
        self._etags[part] = _send_verified(self._requests, put, body)

    def _complete(self) -> str:
        """Make an object of the parts; a try that was not answered may have done so."""
        try:
            return self._sender.finish(self._join)
        except S3RefusedError as error:
            if error.code == _NO_UPLOAD:
                return self._made_object()
            raise

    def _made_object(self) -> str:
        """Return the ETag of the object, if it is made of the parts that were sent.

        Raises:
            StorageError: It is not, or may not be.
        """
        try:
            headers, _ = self._requests.call(replace(self._request, method="HEAD"))
        except S3RefusedError as error:
            if error.transient:
                raise
            headers = {}  # it is not there, or may be written and not be read
        etag, own = headers.get("etag", ""), etag_of_parts(self._etags.values())
        if not own or etag.strip('"') != own:
            raise StorageError(_LOST, transient=True)
        return etag

    def _join(self) -> str:
        content = format_parts(list(self._etags.values()))
        complete = replace(
            self._request,
            method="POST",
            query={"uploadId": self._upload},
            headers={"content-type": "application/xml"},
            body=BytesBody(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        # A failure may come after the status: joining parts takes long.
        told = self._requests.call(complete)[1]
        error = parse_error(told)
        if error.code:
            raise explain_join(error)
        return parse_completed(told)


def _begin(requests: S3Requests, put: S3Request) -> str:
    """Begin an upload in parts of what ``put`` would write; return its id."""
    create = replace(put, method="POST", query={"uploads": ""})
    return parse_upload_id(requests.call(create)[1])


def _abort(requests: S3Requests, put: S3Request, upload: str) -> None:
    """Abort an upload in parts; one that is not there any more was aborted."""
    try:
        requests.call(replace(put, method="DELETE", query={"uploadId": upload}))
    except S3RefusedError as error:
        if error.code != _NO_UPLOAD:
            raise


def _send_verified(requests: S3Requests, request: S3Request, body: FileBody) -> str:
    """Send a file or a part, compare what arrived, and return its ETag."""
    sha256, md5 = body.digests()
    headers, _ = requests.call(replace(request, body=body, sha256=sha256))
    etag = headers.get("etag", "")
    if md5_of_etag(etag, headers) not in ("", md5):
        raise StorageError("arrived otherwise than it was sent", transient=True)
    return etag
