"""S3 as the AWS SDK speaks it: streams of smart_open on clients of boto3.

For directory buckets (S3 Express), which have a protocol of sessions, and for services
that an operator gives to it because they want what only the SDK does. It takes more CPU
than ``s3`` to start and for each small object.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import smart_open.s3

from tesk_filer.adapters.storage.objects import ObjectName, ObjectPage, verify_size
from tesk_filer.adapters.storage.s3_checksums import read_checksums
from tesk_filer.adapters.storage.s3_clients import S3Clients
from tesk_filer.adapters.storage.s3_errors import S3RefusedError
from tesk_filer.adapters.storage.s3_sdk_errors import translated_sdk_errors
from tesk_filer.adapters.storage.s3_uploads import UNABORTED_CURE
from tesk_filer.adapters.storage.write_checks import check_by_upload
from tesk_filer.domain.checks import WriteFound
from tesk_filer.ports import (
    Advance,
    ChangedError,
    Entry,
    Part,
    Source,
    Stat,
)
from tesk_model.locations import Location

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CHUNK = 1024 * 1024
_ONE_REQUEST = 64 * 1024 * 1024  # maximum of a file that is uploaded at once
_PART = 16 * 1024 * 1024
_MAX_PARTS = 9000  # S3 allows 10,000
_PARTS_IN_MEMORY = 4  # large files that are uploaded at once; 64 MiB


class S3SdkObjects:
    """Calls of the SDK; satisfies ``ObjectService``.

    ``smart_open.s3.open`` gets bucket and key separately, so that no part of a key is
    parsed as credentials or a version.
    """

    def __init__(self, clients: S3Clients) -> None:
        """Use ``clients``, one for each account."""
        self._clients = clients
        self._large_writes = threading.BoundedSemaphore(_PARTS_IN_MEMORY)

    def name_of(self, location: Location) -> ObjectName:
        """See ``ObjectService``."""
        return ObjectName(location=location, bucket=location.host, key=location.path)

    def head(self, name: ObjectName) -> Stat | None:
        """See ``ObjectService``."""
        try:
            with self._client(name) as client:
                found = client.head_object(
                    Bucket=name.bucket, Key=name.key, ChecksumMode="ENABLED"
                )
        except S3RefusedError as error:
            if error.is_absent:
                return None
            raise
        return Stat(
            size=found["ContentLength"],
            etag=found.get("ETag", ""),
            checksums=read_checksums(found["ResponseMetadata"]["HTTPHeaders"]),
        )

    def page(
        self, name: ObjectName, prefix: str, *, token: str, size: int
    ) -> ObjectPage:
        """See ``ObjectService``."""
        more = {"ContinuationToken": token} if token else {}
        with self._client(name) as client:
            page = client.list_objects_v2(
                Bucket=name.bucket,
                Prefix=prefix,
                MaxKeys=size,
                **more,  # type: ignore[arg-type]  # the stubs know no partial arguments
            )
        return ObjectPage(
            entries=[
                Entry(name=each["Key"], size=each["Size"], etag=each.get("ETag", ""))
                for each in page.get("Contents", [])
            ],
            token=page.get("NextContinuationToken", ""),
        )

    @contextmanager
    def open(
        self, name: ObjectName, part: Part | None, known: Stat | None
    ) -> Iterator["_Download"]:
        """See ``ObjectService``; what is not known takes one more request."""
        found = known or self.head(name)
        if found is None:
            raise S3RefusedError("does not exist (404)", code="404")
        condition = {"S3.Client.get_object": {"IfMatch": found.etag}}
        with self._client(name) as client:
            stream = smart_open.s3.open(
                name.bucket,
                name.key,
                "rb",
                client=client,
                client_kwargs=condition if found.etag else None,
                buffer_size=_CHUNK,
                defer_seek=True,
            )
            if part:
                stream.seek(part.start)
        with stream:
            yield _Download(stream, part, found)

    def put(self, name: ObjectName, source: Source, advance: Advance) -> str:
        """See ``ObjectService``; smart_open does not say what large files are."""
        os.lseek(source.descriptor, 0, os.SEEK_SET)
        with self._client(name) as client:
            if source.size <= _ONE_REQUEST:
                advance(0)  # the last chance to stop
                with os.fdopen(source.descriptor, "rb", closefd=False) as body:
                    written = client.put_object(
                        Bucket=name.bucket,
                        Key=name.key,
                        Body=body,
                        ContentLength=source.size,
                    )
                advance(source.size)
                return written.get("ETag", "")
            with self._large_writes:
                _write_parts(client, name, source, advance)
        verify_size(self, name, source.size)
        return ""

    def delete(self, name: ObjectName) -> None:
        """See ``ObjectService``."""
        with self._client(name) as client:
            client.delete_object(Bucket=name.bucket, Key=name.key)

    def check_put(self, name: ObjectName) -> WriteFound:
        """See ``ObjectService``."""

        def begin() -> str:
            with self._client(name) as client:
                begun = client.create_multipart_upload(Bucket=name.bucket, Key=name.key)
                return begun["UploadId"]

        def abort(upload: str) -> None:
            with self._client(name) as client:
                client.abort_multipart_upload(
                    Bucket=name.bucket, Key=name.key, UploadId=upload
                )

        return check_by_upload(begin, abort, cure=UNABORTED_CURE)

    def close(self) -> None:
        """See ``ObjectService``."""
        self._clients.close()

    @contextmanager
    def _client(self, name: ObjectName) -> Iterator["S3Client"]:
        with translated_sdk_errors():
            yield self._clients.of(name.location)


class _Download:
    """An object that is downloaded; satisfies ``ports.Reader``."""

    executable = False
    descriptor = None

    def __init__(self, stream: Any, part: Part | None, known: Stat) -> None:
        self._stream: BinaryIO = stream
        self._left = part.stop - part.start if part else None
        self.size = known.size
        self.etag = known.etag
        self.checksums = known.checksums
        self.has_parts = bool(known.etag)

    def read(self, size: int) -> bytes:
        with translated_sdk_errors():
            if self._left is None:
                return self._stream.read(size)
            data = self._stream.read(min(size, self._left))
            self._left -= len(data)
            return data


def _write_parts(
    client: "S3Client", name: ObjectName, source: Source, advance: Advance
) -> None:
    stream = smart_open.s3.open(
        name.bucket,
        name.key,
        "wb",
        client=client,
        min_part_size=max(_PART, source.size // _MAX_PARTS + 1),
    )
    left = source.size
    with stream:  # aborts the upload on an exception
        while left:
            data = os.read(source.descriptor, min(_CHUNK, left))
            if not data:
                raise ChangedError("became shorter while it was sent")
            stream.write(data)
            left -= len(data)
            advance(len(data))
