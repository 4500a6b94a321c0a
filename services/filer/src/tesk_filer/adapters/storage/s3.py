"""``s3://bucket/key``: AWS S3 and compatible services.

Reads and large writes are smart_open streams on one shared client. Keys are
literal. ``smart_open.s3.open`` gets bucket and key separately, so that no part of a
key is parsed as credentials or a version.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

import smart_open.s3

from tesk_filer.adapters.storage.s3_client import S3Options, make_client
from tesk_filer.adapters.storage.s3_errors import error_code, translated_errors
from tesk_filer.adapters.storage.storage_config import StorageConfig
from tesk_filer.ports import (
    NO_CHECKSUMS,
    Advance,
    Cursor,
    Entry,
    Page,
    Part,
    Source,
    Stat,
    StorageError,
)
from tesk_model.locations import Location

_CHUNK = 1024 * 1024
_ONE_REQUEST = 64 * 1024 * 1024  # maximum of a file that is uploaded at once
_PART = 16 * 1024 * 1024
_MAX_PARTS = 9000  # S3 allows 10,000
_PARTS_IN_MEMORY = 4  # large files that are uploaded at once; 64 MiB


class S3Storage:
    """Objects in buckets; a directory is a common prefix that ends in ``/``."""

    def __init__(self, options: S3Options) -> None:
        """Use the credentials that the AWS tools would use."""
        self._client = make_client(options)
        self._large_writes = threading.BoundedSemaphore(_PARTS_IN_MEMORY)

    def stat(self, location: Location) -> Stat | None:
        """See ``Storage``."""
        bucket, key = location.host, location.path
        if key and not key.endswith("/"):
            found = self._head(bucket, key)
            if found is not None:
                return found
        prefix = _prefix(key)
        with translated_errors():
            page = self._client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
        return Stat(is_directory=True) if page.get("KeyCount") else None

    def list(self, location: Location, cursor: Cursor = ()) -> Page:
        """See ``Storage``; objects whose key ends in ``/`` mark directories."""
        bucket, key = location.host, location.path
        prefix = _prefix(key)
        more = {"ContinuationToken": cursor[0]} if cursor else {}
        with translated_errors():
            page = self._client.list_objects_v2(
                Bucket=bucket,
                Prefix=prefix,
                **more,  # type: ignore[arg-type]  # the stubs know no partial arguments
            )
        objects = page.get("Contents", [])
        if not objects and not cursor and prefix:
            raise StorageError(self._no_directory(bucket, key))
        following = page.get("NextContinuationToken")
        return Page(
            [
                Entry(
                    name=item["Key"].removeprefix(prefix),
                    size=item["Size"],
                    etag=item.get("ETag", ""),
                )
                for item in objects
                if not item["Key"].endswith("/")
            ],
            (following, ()) if following else (),
            [
                f'{item["Key"].removeprefix(prefix)} ends in "/" but is no empty '
                "marker of a directory, left out"
                for item in objects
                if item["Key"].endswith("/") and item["Size"]
            ],
        )

    @contextmanager
    def open(
        self, location: Location, *, part: Part | None = None, known: Stat | None = None
    ) -> Iterator["_Download"]:
        """See ``Storage``; an object that changes meanwhile is an error."""
        bucket, key = _split_file(location)
        found = known or self._head(bucket, key)
        if found is None:
            raise StorageError(self._absence(bucket, key))
        condition = {"S3.Client.get_object": {"IfMatch": found.etag}}
        with translated_errors():
            stream = smart_open.s3.open(
                bucket,
                key,
                "rb",
                client=self._client,
                client_kwargs=condition if found.etag else None,
                buffer_size=_CHUNK,
                defer_seek=True,
            )
            if part:
                stream.seek(part.start)
        with stream:
            yield _Download(stream, found, part)

    def write(self, location: Location, source: Source, advance: Advance) -> None:
        """See ``Storage``; an object appears whole or not at all."""
        bucket, key = _split_file(location)
        os.lseek(source.descriptor, 0, os.SEEK_SET)
        with translated_errors():
            if source.size <= _ONE_REQUEST:
                advance(0)  # the last chance to stop
                with os.fdopen(source.descriptor, "rb", closefd=False) as body:
                    self._client.put_object(
                        Bucket=bucket, Key=key, Body=body, ContentLength=source.size
                    )
                advance(source.size)
                return
            with self._large_writes:
                self._write_parts(bucket, key, source=source, advance=advance)
        self._verify(bucket, key, source.size)

    def remove(self, location: Location) -> None:
        """See ``usecases.checks.Removes``."""
        bucket, key = _split_file(location)
        with translated_errors():
            self._client.delete_object(Bucket=bucket, Key=key)

    def make_directory(self, location: Location) -> None:
        """See ``Storage``; there are none."""

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _write_parts(
        self, bucket: str, key: str, *, source: Source, advance: Advance
    ) -> None:
        stream = smart_open.s3.open(
            bucket,
            key,
            "wb",
            client=self._client,
            min_part_size=max(_PART, source.size // _MAX_PARTS + 1),
        )
        left = source.size
        with stream:  # aborts the upload on an exception
            while left:
                data = _read_exactly(source, min(_CHUNK, left))
                stream.write(data)
                left -= len(data)
                advance(len(data))

    def _verify(self, bucket: str, key: str, size: int) -> None:
        try:
            found = self._head(bucket, key)
        except StorageError:
            return  # the right to write does not imply the right to read
        if found is None or found.size != size:
            there = "nothing" if found is None else f"{found.size} bytes"
            message = f"{size} bytes were sent and {there} arrived"
            raise StorageError(message, transient=True)

    def _head(self, bucket: str, key: str) -> Stat | None:
        try:
            with translated_errors():
                found = self._client.head_object(Bucket=bucket, Key=key)
        except StorageError as error:
            if error_code(error.__cause__) in ("404", "NoSuchKey", "NotFound"):
                return None
            raise
        return Stat(size=found["ContentLength"], etag=found.get("ETag", ""))

    def _no_directory(self, bucket: str, key: str) -> str:
        with suppress(
            StorageError
        ):  # the right to list does not imply the right to read
            if not key.endswith("/") and self._head(bucket, key):
                return "is a file; give the input type FILE"
        return f'does not exist: no key in the bucket starts with "{_prefix(key)}"'

    def _absence(self, bucket: str, key: str) -> str:
        """Return what is missing: the response to HEAD does not say it."""
        with translated_errors():
            page = self._client.list_objects_v2(
                Bucket=bucket, Prefix=_prefix(key), MaxKeys=1
            )
        if page.get("KeyCount"):
            return "is a directory; give the input type DIRECTORY"
        return "does not exist (404); check the key"


class _Download:
    """An object that is downloaded; satisfies ``ports.Reader``."""

    checksums = NO_CHECKSUMS
    executable = False
    descriptor = None

    def __init__(self, stream: Any, found: Stat, part: Part | None) -> None:
        self._stream: BinaryIO = stream
        self._left = part.stop - part.start if part else None
        self.size = found.size
        self.etag = found.etag
        self.has_parts = bool(found.etag)

    def read(self, size: int) -> bytes:
        with translated_errors():
            if self._left is None:
                return self._stream.read(size)
            data = self._stream.read(min(size, self._left))
            self._left -= len(data)
            return data


def open_storage(config: StorageConfig) -> S3Storage:
    """Return the storage of s3."""
    return S3Storage(
        S3Options(
            endpoint=config.s3.endpoint,
            region=config.s3.region,
            anonymous=config.s3.anonymous,
            timeouts=config.timeouts,
            connections=config.connections * 2,
        )
    )


def _split_file(location: Location) -> tuple[str, str]:
    bucket, key = location.host, location.path
    if not key:
        raise StorageError("names a bucket, not a file")
    return bucket, key


def _prefix(key: str) -> str:
    return key.rstrip("/") + "/" if key.strip("/") else ""


def _read_exactly(source: Source, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = os.read(source.descriptor, size - len(data))
        if not more:
            raise StorageError("became shorter while it was sent", transient=True)
        data += more
    return data
