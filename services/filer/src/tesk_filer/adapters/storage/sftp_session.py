"""Sends requests of SFTP over a channel of SSH, and receives their responses.

paramiko has a client of its own. It loses the errors of pipelined writes, keeps all that
arrives ahead of the reader in memory, and refuses names that are not UTF-8; so only its
SSH is used here. Requests are sent without waiting for those before; their responses
may arrive in any order.

Source:
    draft-ietf-secsh-filexfer-02; OpenSSH, PROTOCOL, 4.3 (posix-rename), 4.8 (limits).
"""

import struct
from collections import deque
from functools import cached_property
from typing import Protocol

from tesk_filer.adapters.storage.documents import Deadline
from tesk_filer.adapters.storage.sftp_protocol import (
    Kind,
    Limits,
    SftpError,
    SftpProtocolError,
    Status,
    limits_of,
    status_of,
    string,
)

_MAX_PACKET = 1 << 20  # 256 KiB is what servers send at most
_RECEIVE = 1 << 18
# Of responses that came before the awaited one; less is under way at a time.
_MAX_KEPT = 16 << 20
# What OpenSSH takes in one packet of SSH. paramiko cuts up what is longer, and copies all
# that is left for each piece.
_PIECE = 32 * 1024 - 64
_VERSION = 3
_POSIX_RENAME = b"posix-rename@openssh.com"
_LIMITS = b"limits@openssh.com"
_HEAD = struct.Struct(">IBI")  # length of what follows, kind, id
_AFTER_LENGTH = 5  # bytes of kind and id

Packet = tuple[Kind, *tuple[bytes, ...]]
"""A request without its id: its kind, and the pieces of its payload."""


class Channel(Protocol):
    """A channel of SSH; ``paramiko.Channel`` is one."""

    def sendall(self, data: bytes, /) -> None:
        """Send all of ``data``."""

    def recv(self, size: int, /) -> bytes:
        """Receive some bytes; none at the end."""


class SftpSession:
    """Sends requests and receives their responses; used by one thread at a time.

    Attributes:
        is_broken: What comes cannot be told apart any more, or nothing does.
    """

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
        self._chunks: deque[memoryview] = deque()
        self._received = 0
        self._last_id = 0
        self._pending: set[int] = set()
        self._arrived: dict[int, tuple[int, bytes]] = {}
        self._kept = 0
        self.is_broken = False
        channel.sendall(_HEAD.pack(_AFTER_LENGTH, Kind.INIT, _VERSION))
        kind, _, extensions = self._receive(Deadline(stall))
        if kind != Kind.VERSION:
            raise SftpProtocolError("no version")
        # The names of extensions have lengths before them; none contains another.
        self.has_posix_rename = _POSIX_RENAME in extensions
        self._has_limits = _LIMITS in extensions

    @property
    def is_idle(self) -> bool:
        """Whether no response is awaited, or here and not taken."""
        return not (self._pending or self._arrived or self.is_broken)

    @cached_property
    def limits(self) -> Limits:
        """How many bytes a request may move; the server is asked if it tells.

        Raises:
            StorageError: It does not answer.
        """
        if not self._has_limits:
            return Limits()
        try:
            request = Kind.EXTENDED, string(_LIMITS)
            return limits_of(self.call(*request, wanted=Kind.EXTENDED_REPLY))
        except SftpError:
            return Limits()  # some only announce it

    def request(self, *packets: Packet) -> list[int]:
        """Send requests at once; return their ids."""
        ids = range(self._last_id + 1, self._last_id + 1 + len(packets))
        self._last_id += len(packets)
        self._pending.update(ids)
        parts: list[bytes] = []
        for number, (kind, *payload) in zip(ids, packets, strict=True):
            length = _AFTER_LENGTH + sum(map(len, payload))
            parts += (_HEAD.pack(length, kind, number & 0xFFFFFFFF), *payload)
        data = memoryview(b"".join(parts))
        for start in range(0, len(data), _PIECE):
            self._channel.sendall(bytes(data[start : start + _PIECE]))
        return list(ids)

    def forget(self, *ids: int) -> None:
        """Do not wait for these responses."""
        self._pending.difference_update(ids)
        for each in ids:
            if each in self._arrived:
                self._pop(each)

    def drain(self) -> None:
        """Wait for all responses, and forget them: nothing is done any more.

        Raises:
            StorageError: It takes too long.
        """
        deadline = Deadline(self._stall)
        while self._pending:
            _, number, _ = self._receive(deadline)
            self._pending.discard(number)
        self.forget(*self._arrived)

    def wait(self, number: int, wanted: Kind) -> bytes:
        """Return what follows the id of a response.

        Raises:
            SftpError: The server refuses.
            StorageError: It takes too long, with anything but the bytes of a file.
        """
        deadline = Deadline(None if wanted == Kind.DATA else self._stall)
        while number not in self._arrived:
            kind, got, payload = self._receive(deadline)
            if got in self._pending:
                self._pending.remove(got)
                self._arrived[got] = kind, payload
                self._kept += len(payload)
                if self._kept > _MAX_KEPT:
                    self.is_broken = True
                    raise SftpProtocolError("too much before what was asked for first")
        kind, payload = self._pop(number)
        if kind == Kind.STATUS:
            code, text = status_of(payload)
            if code != Status.OK:
                raise SftpError(code, text)
        if kind != wanted:
            raise SftpProtocolError("a response of another type")
        return payload

    def call(self, kind: Kind, payload: bytes, wanted: Kind = Kind.STATUS) -> bytes:
        """Make a request and wait for its response; see ``wait``."""
        return self.ask((kind, payload), wanted)

    def ask(self, packet: Packet, wanted: Kind = Kind.STATUS) -> bytes:
        """Make a request and wait for its response; see ``wait``."""
        (number,) = self.request(packet)
        return self.wait(number, wanted)

    def _pop(self, number: int) -> tuple[int, bytes]:
        kind, payload = self._arrived.pop(number)
        self._kept -= len(payload)
        return kind, payload

    def _receive(self, deadline: Deadline) -> tuple[int, int, bytes]:
        """Return kind and id of the next packet, and what follows them."""
        if self.is_broken:
            raise SftpProtocolError("a packet after one that could not be read")
        try:
            return self._next_packet(deadline)
        except BaseException:
            self.is_broken = True
            raise

    def _next_packet(self, deadline: Deadline) -> tuple[int, int, bytes]:
        length = int.from_bytes(self._take(4, deadline))
        if not _AFTER_LENGTH <= length <= _MAX_PACKET:
            raise SftpProtocolError("a packet of impossible length")
        head = self._take(_AFTER_LENGTH, deadline)
        payload = self._take(length - _AFTER_LENGTH, deadline)
        return head[0], int.from_bytes(head[1:]), payload

    def _take(self, size: int, deadline: Deadline) -> bytes:
        """Return the next bytes."""
        while self._received < size:
            received = self._channel.recv(_RECEIVE)
            if not received:
                raise EOFError("the server closed the channel")
            self._chunks.append(memoryview(received))
            self._received += len(received)
            deadline.check()
        self._received -= size
        taken: list[memoryview] = []
        while size:
            chunk = self._chunks.popleft()
            if len(chunk) > size:
                self._chunks.appendleft(chunk[size:])
                chunk = chunk[:size]
            taken.append(chunk)
            size -= len(chunk)
        return b"".join(taken)
