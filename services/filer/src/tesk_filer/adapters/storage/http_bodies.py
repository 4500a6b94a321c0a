"""Bodies of HTTP requests: bytes, and files."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from tesk_filer.ports import Advance, StorageError

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


@dataclass(slots=True)
class FileBody:
    """Bytes of an open file, read at their offset: bodies of one file may be sent at once.

    Each chunk counts when it is sent: a limit of bytes that held back what comes after a
    request would let its bytes pass at once, and others wait within theirs.

    Attributes:
        advance: Called with what is sent, also before it is known to have arrived; with
            less than 0 for what is sent again.
    """

    descriptor: int
    start: int
    size: int
    advance: Advance
    _counted: int = field(default=0, init=False)

    def chunks(self) -> Iterator[bytes]:
        """See ``Body``.

        Raises:
            StorageError: The file became shorter.
        """
        self.settle(0)
        for data in self._read():
            yield data
            self._counted += len(data)
            self.advance(len(data))

    def settle(self, size: int) -> None:
        """Let ``size`` bytes count, however many were sent."""
        counted, self._counted = self._counted, size
        if counted != size:
            self.advance(size - counted)

    def digests(self) -> tuple[str, str]:
        """Return SHA-256 and MD5 in hex."""
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        for data in self._read_on():
            sha256.update(data)
            md5.update(data)
        return sha256.hexdigest(), md5.hexdigest()

    def add_to(self, digest: "Digest") -> None:
        """Let ``digest`` have all bytes."""
        for data in self._read_on():
            digest.update(data)

    def _read_on(self) -> Iterator[bytes]:
        """Yield all bytes, and ask before each chunk whether to stop."""
        for data in self._read():
            self.advance(0)
            yield data

    def _read(self) -> Iterator[bytes]:
        offset, stop = self.start, self.start + self.size
        while offset < stop:
            data = _read(self.descriptor, min(_CHUNK, stop - offset), offset)
            offset += len(data)
            yield data


def _read(descriptor: int, size: int, position: int) -> bytes:
    data = os.pread(descriptor, size, position)
    if size and not data:
        raise StorageError("became shorter while it was sent", transient=True)
    return data
