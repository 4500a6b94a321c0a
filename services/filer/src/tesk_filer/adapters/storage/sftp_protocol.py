"""The protocol SFTP, version 3, over a channel of SSH.

paramiko has a client of its own. It loses the errors of pipelined writes, keeps all that
arrives ahead of the reader in memory, and refuses names that are not UTF-8; so only its
SSH is used here. Requests are sent without waiting for those before; their responses
may arrive in any order.

Source:
    draft-ietf-secsh-filexfer-02; OpenSSH, PROTOCOL, 4.3 (posix-rename).
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from stat import S_IFMT, S_ISDIR, S_ISLNK, S_ISREG
from typing import Protocol

from tesk_filer.adapters.storage.documents import Deadline

_MAX_PACKET = 1 << 20  # 256 KiB is what servers send at most
_RECEIVE = 1 << 18
_VERSION = 3
_POSIX_RENAME = b"posix-rename@openssh.com"


class Kind(IntEnum):
    """Types of packets."""

    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    FSTAT = 8
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    MKDIR = 14
    REALPATH = 16
    STAT = 17
    RENAME = 18
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED = 200


class Status(IntEnum):
    """Codes of STATUS."""

    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    BAD_MESSAGE = 5
    NO_CONNECTION = 6
    CONNECTION_LOST = 7
    UNSUPPORTED = 8


class Flag(IntEnum):
    """Flags of OPEN."""

    READ = 0x01
    WRITE = 0x02
    CREATE = 0x08
    TRUNCATE = 0x10


class SftpError(Exception):
    """The server refuses a request; ``code`` is of ``Status``, or of a later version."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class SftpProtocolError(Exception):
    """What the server sends is not SFTP."""


class Channel(Protocol):
    """A channel of SSH; ``paramiko.Channel`` is one."""

    def sendall(self, data: bytes, /) -> None:
        """Send all of ``data``."""

    def recv(self, size: int, /) -> bytes:
        """Receive some bytes; none at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What a server says of a file; None where it does not."""

    size: int | None = None
    mode: int | None = None
    modified: int | None = None

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return self.mode is not None and S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return self.mode is not None and S_ISLNK(self.mode)

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file, as far as the server tells."""
        return not self.mode or not S_IFMT(self.mode) or S_ISREG(self.mode)


class SftpSession:
    """Sends requests and receives their responses; used by one thread at a time."""

    def __init__(self, channel: Channel, *, stall: float | None = None) -> None:
        """Agree on the version.

        Args:
            channel: To the server.
            stall: Its timeout; see ``Deadline``.

        Raises:
            SftpProtocolError, EOFError, OSError: There is no SFTP at the other end.
        """
        self._channel = channel
        self._stall = stall
        self._buffer = bytearray()
        self._last_id = 0
        self._pending: set[int] = set()
        self._arrived: dict[int, tuple[int, bytes]] = {}
        channel.sendall(_framed(Kind.INIT, struct.pack(">I", _VERSION)))
        kind, payload = self._receive(Deadline(stall))
        if kind != Kind.VERSION:
            raise SftpProtocolError("no version")
        # The names of extensions have lengths before them; none contains another.
        self.has_posix_rename = _POSIX_RENAME in payload

    @property
    def is_idle(self) -> bool:
        """Whether no response is awaited, or here and not taken."""
        return not self._pending and not self._arrived

    def request(self, *packets: tuple[Kind, bytes]) -> list[int]:
        """Send requests at once; return their ids."""
        ids = range(self._last_id + 1, self._last_id + 1 + len(packets))
        self._last_id += len(packets)
        self._pending.update(ids)
        self._channel.sendall(
            b"".join(
                _framed(kind, struct.pack(">I", number & 0xFFFFFFFF) + payload)
                for number, (kind, payload) in zip(ids, packets, strict=True)
            )
        )
        return list(ids)

    def forget(self, *ids: int) -> None:
        """Do not wait for these responses."""
        self._pending.difference_update(ids)
        for each in ids:
            self._arrived.pop(each, None)

    def has_arrived(self, number: int) -> bool:
        """Tell whether a response is here, so that nobody waits for it."""
        return number in self._arrived

    def wait(self, number: int, wanted: Kind) -> bytes:
        """Return what follows the id of a response.

        Raises:
            SftpError: The server refuses.
            StorageError: It takes too long, with anything but the bytes of a file.
        """
        deadline = Deadline(None if wanted == Kind.DATA else self._stall)
        while number not in self._arrived:
            kind, payload = self._receive(deadline)
            if len(payload) < 4:  # noqa: PLR2004 - an id
                raise SftpProtocolError("a response without id")
            (got,) = struct.unpack_from(">I", payload)
            if got in self._pending:
                self._pending.remove(got)
                self._arrived[got] = kind, payload[4:]
        kind, payload = self._arrived.pop(number)
        if kind == Kind.STATUS:
            code, text = _status(payload)
            if code != Status.OK:
                raise SftpError(code, text)
        if kind != wanted:
            raise SftpProtocolError("a response of another type")
        return payload

    def call(self, kind: Kind, payload: bytes, wanted: Kind = Kind.STATUS) -> bytes:
        """Make a request and wait for its response; see ``wait``."""
        (number,) = self.request((kind, payload))
        return self.wait(number, wanted)

    def _receive(self, deadline: Deadline) -> tuple[int, bytes]:
        self._fill(4, deadline)
        (length,) = struct.unpack_from(">I", self._buffer)
        if not 1 <= length <= _MAX_PACKET:
            raise SftpProtocolError("a packet of impossible length")
        self._fill(4 + length, deadline)
        packet = bytes(memoryview(self._buffer)[4 : 4 + length])
        del self._buffer[: 4 + length]
        return packet[0], packet[1:]

    def _fill(self, size: int, deadline: Deadline) -> None:
        while len(self._buffer) < size:
            received = self._channel.recv(_RECEIVE)
            if not received:
                raise EOFError("the server closed the channel")
            self._buffer += received
            deadline.check()


def encode(text: str) -> bytes:
    """Return a name or path as a string of the protocol."""
    return string(text.encode("utf-8", "surrogateescape"))


def string(data: bytes) -> bytes:
    """Return ``data`` with its length before it."""
    return struct.pack(">I", len(data)) + data


def attributes_of(payload: bytes) -> Attributes:
    """Read the payload of ATTRS."""
    return _Fields(payload).attributes()


def data_of(payload: bytes) -> bytes:
    """Read a payload that is one string: of HANDLE or DATA."""
    return _Fields(payload).string()


def names_of(payload: bytes) -> list[tuple[str, Attributes]]:
    """Read the payload of NAME."""
    fields = _Fields(payload)
    found = []
    for _ in range(fields.number()):
        name = fields.string().decode("utf-8", "surrogateescape")
        fields.string()  # the line for people
        found.append((name, fields.attributes()))
    return found


class _Fields:
    """Reads the fields of a payload one after another."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._at = 0

    def number(self) -> int:
        return int.from_bytes(self._take(4))

    def string(self) -> bytes:
        return self._take(self.number())

    def attributes(self) -> Attributes:
        flags = self.number()
        size = int.from_bytes(self._take(8)) if flags & 0x1 else None
        if flags & 0x2:
            self._take(8)  # user and group
        mode = self.number() if flags & 0x4 else None
        modified = None
        if flags & 0x8:
            self._take(4)  # last access
            modified = self.number()
        if flags & 0x80000000:
            for _ in range(self.number()):
                self.string()
                self.string()
        return Attributes(size=size, mode=mode, modified=modified)

    def _take(self, size: int) -> bytes:
        taken = self._payload[self._at : self._at + size]
        if len(taken) != size:
            raise SftpProtocolError("a packet ends early")
        self._at += size
        return taken


def _status(payload: bytes) -> tuple[int, str]:
    fields = _Fields(payload)
    code = fields.number()
    # Old servers send no text.
    text = fields.string().decode("utf-8", "replace") if len(payload) > 4 else ""  # noqa: PLR2004
    return code, text


def _framed(kind: Kind, payload: bytes) -> bytes:
    return struct.pack(">IB", len(payload) + 1, kind) + payload
