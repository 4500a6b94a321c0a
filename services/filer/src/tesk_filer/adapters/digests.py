"""Computes digests of the bytes of files, and compares them with what is announced."""

import hashlib
import os
import zlib
from typing import Protocol

from tesk_filer.ports import Advance, ChecksumError, Checksums
from tesk_filer.ports.volume import Checks
from tesk_model.checksums import HASHES

_CHUNK = 1024 * 1024


class Digest(Protocol):
    """An object as hashlib makes them."""

    def update(self, data: bytes, /) -> None:
        """Add bytes."""

    def digest(self) -> bytes:
        """Return the digest of the bytes so far."""


class Crc32:
    """CRC-32 as gzip has it (ISO 3309)."""

    def __init__(self) -> None:
        """Begin with no bytes."""
        self._value = 0

    def update(self, data: bytes, /) -> None:
        """See ``Digest``."""
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        """See ``Digest``; big-endian, as storages give it."""
        return self._value.to_bytes(4, "big")


def _open_digest(algorithm: str) -> Digest:
    if algorithm == "crc32":
        return Crc32()
    if algorithm == "crc32c":
        import google_crc32c  # noqa: PLC0415 - few storages use it

        made: Digest = google_crc32c.Checksum()  # type: ignore[no-untyped-call]  # untyped
        return made
    if algorithm in HASHES:
        return hashlib.new(algorithm, usedforsecurity=False)
    message = f"there is no digest {algorithm}"
    raise ValueError(message)


class Digests:
    """The digests of one file that are wanted; see ``ports.Checks``."""

    def __init__(self, checks: Checks) -> None:
        """Begin with no bytes."""
        self._checks = checks
        self._digests = {name: _open_digest(name) for name in checks}

    def __bool__(self) -> bool:
        """Whether any is wanted."""
        return bool(self._digests)

    def update(self, data: bytes) -> None:
        """Add the next bytes of the file."""
        for digest in self._digests.values():
            digest.update(data)

    def read(self, descriptor: int, advance: Advance) -> None:
        """Add all bytes of an open file; ``advance`` is called with 0 meanwhile."""
        offset = 0
        while data := os.pread(descriptor, _CHUNK, offset):
            self.update(data)
            offset += len(data)
            advance(0)

    def verify(self) -> Checksums:
        """Return the digests.

        Raises:
            ChecksumError: One is not what it must be; the first of ``checks``.
        """
        found = {name: each.digest().hex() for name, each in self._digests.items()}
        for name, wanted in self._checks.items():
            if wanted and wanted != found[name]:
                message = (
                    f"arrived with {name} {found[name]}, not {wanted} as announced"
                )
                raise ChecksumError(message, name)
        return found
