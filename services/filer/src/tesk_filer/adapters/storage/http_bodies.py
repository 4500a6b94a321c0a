"""Bodies of HTTP requests: bytes, and files."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from tesk_filer.ports import Advance, Source, StorageError

_CHUNK = 256 * 1024  # read at once; fits the caches of a processor


class Digest(Protocol):
    """A digest of ``hashlib``."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""

    def digest(self) -> bytes:
        """Return the digest."""


@dataclass(frozen=True, slots=True)
class BytesBody:
    """A body in memory."""

    content: bytes = b""

    @property
    def size(self) -> int:
        """See ``Body``."""
        return len(self.content)

    def chunks(self) -> tuple[bytes, ...]:
        """See ``Body``."""
        return (self.content,)


@dataclass(frozen=True, slots=True)
class FileBody:
    """Bytes of an open file, read at their offset: many threads may do so at once.

    Attributes:
        advance: Asked before each chunk whether to stop.
    """

    descriptor: int
    start: int
    size: int
    advance: Advance

    def chunks(self) -> Iterator[bytes]:
        """See ``Body``."""
        offset, stop = self.start, self.start + self.size
        while offset < stop:
            self.advance(0)
            data = _read(self.descriptor, min(_CHUNK, stop - offset), offset)
            offset += len(data)
            yield data

    def digests(self) -> tuple[str, str]:
        """Return SHA-256 and MD5 in hex."""
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        for data in self.chunks():
            sha256.update(data)
            md5.update(data)
        return sha256.hexdigest(), md5.hexdigest()

    def add_to(self, digest: "Digest") -> None:
        """Let ``digest`` have all bytes."""
        for data in self.chunks():
            digest.update(data)


@dataclass(frozen=True, slots=True)
class SourceBody:
    """All of a file that is uploaded; reports progress as it is sent."""

    source: Source
    advance: Advance

    @property
    def size(self) -> int:
        """See ``Body``."""
        return self.source.size

    def chunks(self) -> Iterator[bytes]:
        """See ``Body``.

        Raises:
            StorageError: The file became shorter.
        """
        offset = 0
        while offset < self.source.size:
            wanted = min(_CHUNK, self.source.size - offset)
            data = _read(self.source.descriptor, wanted, offset)
            offset += len(data)
            yield data
            self.advance(len(data))


def _read(descriptor: int, size: int, position: int) -> bytes:
    data = os.pread(descriptor, size, position)
    if size and not data:
        raise StorageError("became shorter while it was sent", transient=True)
    return data
