"""The packets of SFTP, version 3.

Source:
    draft-ietf-secsh-filexfer-02; OpenSSH, PROTOCOL, 4.8 (limits).
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from stat import S_IFMT, S_ISDIR, S_ISLNK, S_ISREG, S_IXUSR

LEAST_BLOCK = 32 * 1024
"""Bytes that every server reads or writes at once: of packets it takes 34,000 bytes."""

LARGEST_BLOCK = 255 * 1024
"""What OpenSSH reads or writes at once; its packets have 256 KiB at most."""

_LONGEST_HANDLE = 256  # bytes; draft-ietf-secsh-filexfer-02, 6.2


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
    EXTENDED_REPLY = 201


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
    def is_executable(self) -> bool:
        """Whether its owner may run it."""
        return bool((self.mode or 0) & S_IXUSR)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return self.mode is not None and S_ISLNK(self.mode)

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file, as far as the server tells."""
        return not self.mode or not S_IFMT(self.mode) or S_ISREG(self.mode)


def encode(text: str) -> bytes:
    """Return a name or path as a string of the protocol."""
    return string(text.encode("utf-8", "surrogateescape"))


def string(data: bytes) -> bytes:
    """Return ``data`` with its length before it."""
    return struct.pack(">I", len(data)) + data


def attributes_of(payload: bytes) -> Attributes:
    """Read the payload of ATTRS."""
    return _Fields(payload).attributes()


def handle_of(payload: bytes) -> bytes:
    """Read the payload of HANDLE."""
    handle = _Fields(payload).string()
    if len(handle) > _LONGEST_HANDLE:
        raise SftpProtocolError("a handle of impossible length")
    return handle


def block_of(payload: bytes) -> memoryview:
    """Read the payload of DATA, without a copy."""
    block = memoryview(payload)[4:]
    if len(block) != int.from_bytes(payload[:4]):
        raise SftpProtocolError("a packet ends early")
    return block


def names_of(payload: bytes) -> list[tuple[str, Attributes]]:
    """Read the payload of NAME."""
    fields = _Fields(payload)
    found = []
    for _ in range(fields.number()):
        name = fields.string().decode("utf-8", "surrogateescape")
        fields.string()  # the line for people
        found.append((name, fields.attributes()))
    return found


@dataclass(frozen=True, slots=True)
class Limits:
    """How many bytes one request may read, or write."""

    read: int = LEAST_BLOCK
    write: int = LEAST_BLOCK


def limits_of(payload: bytes) -> Limits:
    """Read what a server says of its limits; 0 of them means that it has none."""
    fields = _Fields(payload)
    fields.long()  # of a packet
    read, write = (
        min(max(told or LARGEST_BLOCK, LEAST_BLOCK), LARGEST_BLOCK)
        for told in (fields.long(), fields.long())
    )
    return Limits(read, write)


class _Fields:
    """Reads the fields of a payload one after another."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._at = 0

    def number(self) -> int:
        return int.from_bytes(self._take(4))

    def long(self) -> int:
        return int.from_bytes(self._take(8))

    def string(self) -> bytes:
        return self._take(self.number())

    def attributes(self) -> Attributes:
        flags = self.number()
        size = self.long() if flags & 0x1 else None
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


def status_of(payload: bytes) -> tuple[int, str]:
    """Read the payload of STATUS: its code, and its text."""
    fields = _Fields(payload)
    code = fields.number()
    # Old servers send no text.
    text = fields.string().decode("utf-8", "replace") if len(payload) > 4 else ""  # noqa: PLR2004
    return code, text
