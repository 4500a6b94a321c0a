"""Reads and writes a file over SFTP, many requests ahead of their responses.

Source:
    OpenSSH's own client has 64 requests of 32 KiB under way.
"""

import os
import struct
from collections import deque
from dataclasses import dataclass

from tesk_filer.adapters.storage.sftp_protocol import (
    LEAST_BLOCK,
    Kind,
    SftpError,
    Status,
    block_of,
    string,
)
from tesk_filer.adapters.storage.sftp_session import Packet, SftpSession
from tesk_filer.ports import Advance, ChangedError, Source, StorageError

_AHEAD = 4 * 1024 * 1024  # bytes under way
_SHARE = 8  # of what is under way is sent at once: a packet of SSH costs more
# From so many bytes on, larger requests are worth the question for their limits.
_LARGE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Request:
    number: int
    offset: int
    size: int


class SftpReading:
    """Reads bytes of an open file in order."""

    def __init__(
        self, session: SftpSession, handle: bytes, start: int, stop: int | None
    ) -> None:
        """Read from ``start`` to ``stop``, or to the end if that is None."""
        self._session = session
        self._handle = handle
        self._next = start
        self._stop = stop
        left = _LARGE if stop is None else stop - start
        self._block = session.limits.read if left > _LARGE else LEAST_BLOCK
        self._most = _AHEAD // self._block  # requests under way
        self._ahead: deque[_Request] = deque()
        self._rest = memoryview(b"")  # of a block that was asked for in part

    @property
    def has_ended(self) -> bool:
        """Whether all was read."""
        return not (self._rest or self._ahead or self._has_more())

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most ``size``; none at the end.

        Raises:
            ChangedError: The file has become shorter.
            SftpError: It cannot be read.
        """
        blocks: list[memoryview] = []
        left = size
        while left and (not blocks or left >= self._block):
            block = self._rest or self._next_block()
            if not block:
                break
            blocks.append(block[:left])
            self._rest = block[left:]
            left -= len(blocks[-1])
        return b"".join(blocks)

    def request_ahead(self) -> None:
        """Ask for what comes next, unless enough is under way."""
        free = self._most - len(self._ahead)
        if free < self._most // _SHARE:
            return
        wanted: list[tuple[int, int]] = []
        while len(wanted) < free and self._has_more():
            size = self._block
            if self._stop is not None:
                size = min(size, self._stop - self._next)
            wanted.append((self._next, size))
            self._next += size
        if wanted:
            packets = (read_request(self._handle, *each) for each in wanted)
            numbers = self._session.request(*packets)
            self._ahead.extend(
                _Request(number, *each)
                for number, each in zip(numbers, wanted, strict=True)
            )

    def _has_more(self) -> bool:
        return self._stop is None or self._next < self._stop

    def _next_block(self) -> memoryview:
        self.request_ahead()
        return self._take() if self._ahead else memoryview(b"")

    def _take(self) -> memoryview:
        """Return the data of the oldest request; none at the end of the file."""
        request = self._ahead.popleft()
        try:
            block = block_of(self._session.wait(request.number, Kind.DATA))
        except SftpError as error:
            if error.code != Status.EOF:
                raise
            block = memoryview(b"")
        if not block:
            return self._end()
        if len(block) > request.size:
            raise StorageError("the server sends more than was asked for")
        if len(block) < request.size:  # a small buffer of the server, or the end
            rest = request.offset + len(block), request.size - len(block)
            (number,) = self._session.request(read_request(self._handle, *rest))
            self._ahead.appendleft(_Request(number, *rest))
        return block

    def _end(self) -> memoryview:
        if self._stop is not None:
            raise ChangedError
        self._session.forget(*(each.number for each in self._ahead))
        self._ahead.clear()
        self._stop = self._next
        return memoryview(b"")


def send_file(
    session: SftpSession, handle: bytes, source: Source, advance: Advance
) -> None:
    """Write a file of the volume to an open file; all is confirmed when it returns.

    Raises:
        StorageError: The file became shorter.
        SftpError: The server refuses.
    """
    size = session.limits.write if source.size > _LARGE else LEAST_BLOCK
    most = _AHEAD // size
    under_way: deque[_Request] = deque()
    offset = 0
    while offset < source.size:
        batch: list[Packet] = []
        sizes: list[int] = []
        while len(batch) < max(most // _SHARE, 1) and offset < source.size:
            block = read_source(source, offset, min(size, source.size - offset))
            batch.append(write_request(handle, offset, block))
            sizes.append(len(block))
            offset += len(block)
        numbers = session.request(*batch)
        under_way.extend(
            _Request(number, 0, sent)
            for number, sent in zip(numbers, sizes, strict=True)
        )
        _confirm(session, under_way, advance, left=most - most // _SHARE)
    _confirm(session, under_way, advance, left=0)


def read_source(source: Source, offset: int, size: int) -> bytes:
    """Return up to ``size`` bytes of a file of the volume, one at least.

    Raises:
        StorageError: It became shorter.
    """
    block = os.pread(source.descriptor, size, offset)
    if not block:
        raise StorageError("became shorter while it was sent", transient=True)
    return block


def read_request(handle: bytes, offset: int, size: int) -> Packet:
    """Return the request that reads a block of an open file."""
    return Kind.READ, string(handle), struct.pack(">QI", offset, size)


def write_request(handle: bytes, offset: int, block: bytes) -> Packet:
    """Return the request that writes a block to an open file."""
    header = string(handle) + struct.pack(">QI", offset, len(block))
    return Kind.WRITE, header, block


def _confirm(
    session: SftpSession, under_way: deque[_Request], advance: Advance, *, left: int
) -> None:
    while len(under_way) > left:
        request = under_way.popleft()
        session.wait(request.number, Kind.STATUS)
        advance(request.size)
