"""A server of SFTP in memory behind a channel of SSH, which answers as a test says."""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tesk_filer.adapters.storage.sftp_connection import translated_errors
from tesk_filer.adapters.storage.sftp_protocol import Flag, Kind, Status, string
from tesk_filer.adapters.storage.sftp_session import SftpSession
from tesk_model.locations import Location

_HEAD = struct.Struct(">IBI")
MODIFIED = 5
"""When each file was changed (Unix time)."""

Answer = Callable[[int, int, bytes], bytes | None]
"""Kind, number and payload of a request to bytes; None: as a good server does."""


def packet(kind: int, number: int, payload: bytes) -> bytes:
    """Return a response."""
    return _HEAD.pack(5 + len(payload), kind, number) + payload


def status(number: int, code: int) -> bytes:
    """Return a STATUS."""
    return packet(Kind.STATUS, number, struct.pack(">I", code) + string(b"") * 2)


def attributes(number: int, size: int) -> bytes:
    """Return the ATTRS of a file."""
    packed = struct.pack(">IQIII", 0x1 | 0x4 | 0x8, size, 0o100644, MODIFIED, MODIFIED)
    return packet(Kind.ATTRS, number, packed)


@dataclass
class SftpChannel:
    """Satisfies ``Channel``.

    Attributes:
        files: By path.
        answer: See there.
        requests: Their kinds.
    """

    files: dict[bytes, bytes] = field(default_factory=dict)
    answer: Answer = lambda _kind, _number, _payload: None
    requests: list[int] = field(default_factory=list)
    _opened: dict[bytes, bytes] = field(default_factory=dict)
    _said: bytes = b""

    def sendall(self, data: bytes, /) -> None:
        """See ``Channel``; what is sent has whole packets."""
        while data:
            length = int.from_bytes(data[:4])
            kind, rest = data[4], data[5 : 4 + length]
            data = data[4 + length :]
            if kind == Kind.INIT:
                named = string(b"posix-rename@openssh.com") + string(b"1")
                self._said += _HEAD.pack(5 + len(named), Kind.VERSION, 3) + named
                continue
            number, payload = int.from_bytes(rest[:4]), rest[4:]
            self.requests.append(kind)
            answer = self.answer(kind, number, payload)
            self._said += self._do(kind, number, payload) if answer is None else answer

    def recv(self, size: int, /) -> bytes:
        """See ``Channel``; there is nothing to wait for."""
        if not self._said:
            raise TimeoutError
        said, self._said = self._said[:size], self._said[size:]
        return said

    def _do(self, kind: int, number: int, payload: bytes) -> bytes:
        first, rest = _cut(payload)
        if kind == Kind.OPEN:
            return self._open(number, first, int.from_bytes(rest[:4]))
        if kind == Kind.EXTENDED:
            source, target = _cut(rest)
            self.files[_cut(target)[0]] = self.files.pop(source)
            return status(number, Status.OK)
        if kind == Kind.REMOVE:
            self.files.pop(first, None)
            return status(number, Status.OK)
        path = self._opened[first]
        if kind == Kind.FSTAT:
            return attributes(number, len(self.files[path]))
        if kind == Kind.READ:
            offset, size = struct.unpack(">QI", rest)
            data = self.files[path][offset : offset + size]
            return packet(Kind.DATA, number, string(data))
        if kind == Kind.WRITE:
            self.files[path] += _cut(rest[8:])[0]
        return status(number, Status.OK)

    def _open(self, number: int, path: bytes, flags: int) -> bytes:
        if flags & Flag.CREATE:
            self.files[path] = b""
        if path not in self.files:
            return status(number, Status.NO_SUCH_FILE)
        handle = b"%d" % len(self._opened)
        self._opened[handle] = path
        return packet(Kind.HANDLE, number, string(handle))


@dataclass
class OneConnection:
    """A connection, lent as ``SftpConnections`` does; of one account.

    Attributes:
        is_kept: Whether it could be lent again.
    """

    session: SftpSession
    is_kept: bool = True

    def account_of(self, _location: Location) -> str:
        """See ``SftpConnections``."""
        return "account"

    def absolute_path(self, path: str) -> str:
        """See ``SftpConnection``."""
        return path

    @contextmanager
    def lend(self, _location: Location) -> Iterator["OneConnection"]:
        """See ``SftpConnections``."""
        try:
            with translated_errors():
                yield self
        except BaseException:
            self.is_kept = False
            raise
        self.is_kept = self.session.is_idle


def _cut(payload: bytes) -> tuple[bytes, bytes]:
    """Return the string at the beginning, and what follows it."""
    end = 4 + int.from_bytes(payload[:4])
    return payload[4:end], payload[end:]
