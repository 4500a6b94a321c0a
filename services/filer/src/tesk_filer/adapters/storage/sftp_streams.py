"""Reads and writes a file over SFTP, many requests ahead of their responses.

Source:
    draft-ietf-secsh-filexfer-02, 3: all servers take packets of 34,000 bytes. OpenSSH's
    own client has 64 requests of 32 KiB under way.
"""

import os
import struct
from collections import deque
from dataclasses import dataclass

from tesk_filer.adapters.storage.sftp_protocol import (
    Kind,
    SftpError,
    SftpSession,
    Status,
    data_of,
    string,
)
from tesk_filer.ports import Advance, ChangedError, Source, StorageError

_BLOCK = 32 * 1024
_AHEAD = 128  # requests under way, 4 MiB
_BATCH = 16  # sent at once: a packet of SSH costs more than a request


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
        self._handle = string(handle)
        self._next = start
        self._stop = stop
        self._ahead: deque[_Request] = deque()
        self._rest = b""  # of a block that was asked for in part

    @property
    def has_ended(self) -> bool:
        """Whether all was read."""
        return not (self._rest or self._ahead or self._has_more())

    def read(self, size: int) -> bytes:
        """Return the next bytes, ``size`` of them unless the end comes first.

        Raises:
            ChangedError: The file has become shorter.
            SftpError: It cannot be read.
        """
        blocks = [self._rest]
        length = len(self._rest)
        while length < size:
            self.request_ahead()
            block = self._take() if self._ahead else b""
            if not block:
                break
            blocks.append(block)
            length += len(block)
        data = b"".join(blocks)
        self._rest = data[size:]
        return data[:size] if self._rest else data

    def request_ahead(self) -> None:
        """Ask for what comes next, unless enough is under way."""
        if len(self._ahead) > _AHEAD - _BATCH:
            return
        wanted: list[tuple[int, int]] = []
        while len(self._ahead) + len(wanted) < _AHEAD and self._has_more():
            size = (
                _BLOCK if self._stop is None else min(_BLOCK, self._stop - self._next)
            )
            wanted.append((self._next, size))
            self._next += size
        for first in range(0, len(wanted), _BATCH):
            batch = wanted[first : first + _BATCH]
            numbers = self._session.request(*(self._packet(*each) for each in batch))
            self._ahead.extend(
                _Request(number, *each)
                for number, each in zip(numbers, batch, strict=True)
            )

    def _has_more(self) -> bool:
        return self._stop is None or self._next < self._stop

    def _packet(self, offset: int, size: int) -> tuple[Kind, bytes]:
        return Kind.READ, self._handle + struct.pack(">QI", offset, size)

    def _take(self) -> bytes:
        """Return the data of the oldest request; none at the end of the file."""
        request = self._ahead.popleft()
        try:
            block = data_of(self._session.wait(request.number, Kind.DATA))
        except SftpError as error:
            if error.code != Status.EOF:
                raise
            block = b""
        if not block:
            return self._end()
        if len(block) > request.size:
            raise StorageError("the server sends more than was asked for")
        if len(block) < request.size:  # a small buffer of the server, or the end
            rest = request.offset + len(block), request.size - len(block)
            (number,) = self._session.request(self._packet(*rest))
            self._ahead.appendleft(_Request(number, *rest))
        return block

    def _end(self) -> bytes:
        if self._stop is not None:
            raise ChangedError
        self._session.forget(*(each.number for each in self._ahead))
        self._ahead.clear()
        self._stop = self._next
        return b""


def send_file(
    session: SftpSession, handle: bytes, source: Source, advance: Advance
) -> None:
    """Write a file of the volume to an open file; all is confirmed when it returns.

    Raises:
        StorageError: The file became shorter.
        SftpError: The server refuses.
    """
    prefix = string(handle)
    under_way: deque[_Request] = deque()
    offset = 0
    while offset < source.size:
        batch: list[tuple[Kind, bytes]] = []
        sizes: list[int] = []
        while len(batch) < _BATCH and offset < source.size:
            wanted = min(_BLOCK, source.size - offset)
            block = os.pread(source.descriptor, wanted, offset)
            if not block:
                raise StorageError("became shorter while it was sent", transient=True)
            header = struct.pack(">Q", offset)
            batch.append((Kind.WRITE, prefix + header + string(block)))
            sizes.append(len(block))
            offset += len(block)
        numbers = session.request(*batch)
        under_way.extend(
            _Request(number, 0, size)
            for number, size in zip(numbers, sizes, strict=True)
        )
        _confirm(session, under_way, advance, left=_AHEAD - _BATCH)
    _confirm(session, under_way, advance, left=0)


def _confirm(
    session: SftpSession, under_way: deque[_Request], advance: Advance, *, left: int
) -> None:
    while len(under_way) > left:
        request = under_way.popleft()
        session.wait(request.number, Kind.STATUS)
        advance(request.size)
