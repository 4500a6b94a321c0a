"""Batches of sftp with servers that are broken, or mean harm."""

import struct
from collections.abc import Callable
from contextlib import closing
from typing import cast

import pytest

from contract.storage.places import write_to
from fakes.sftp_channel import (
    MODIFIED,
    Answer,
    OneConnection,
    SftpChannel,
    attributes,
    packet,
    status,
)
from tesk_filer.adapters.storage.sftp_batch_reading import open_all
from tesk_filer.adapters.storage.sftp_batch_writing import open_batch
from tesk_filer.adapters.storage.sftp_connection import SftpConnections
from tesk_filer.adapters.storage.sftp_protocol import (
    Kind,
    SftpProtocolError,
    Status,
    handle_of,
    string,
)
from tesk_filer.adapters.storage.sftp_session import SftpSession
from tesk_filer.ports import Entry, StorageError
from tesk_filer.ports.batches import ListedLocation, NotBatchedError
from tesk_model.locations import parse_location

FILES = {b"/a": b"aaaa", b"/b": b"bbbb", b"/c": b"cccc"}
FAILED, LOST = b"failed", b"lost"


def connection_of(channel: SftpChannel) -> OneConnection:
    return OneConnection(SftpSession(channel, stall=1))


def listed() -> list[ListedLocation]:
    return [
        (
            parse_location(f"sftp://host{path.decode()}"),
            Entry(name="x", size=len(content), etag=f"{len(content):x}-{MODIFIED:x}"),
        )
        for path, content in FILES.items()
    ]


def read(connection: OneConnection) -> list[bytes]:
    """Read all files together: ``LOST`` at the end is of all that have not come."""
    found: list[bytes] = []
    with closing(open_all(cast("SftpConnections", connection), listed())) as openings:
        try:
            for opening in openings:
                try:
                    with opening as reader:
                        found.append(reader.read(1000))
                except StorageError:
                    found.append(FAILED)
        except StorageError:
            found.append(LOST)
    return found


def write(connection: OneConnection) -> None:
    with open_batch(cast("SftpConnections", connection)) as batch:
        for path, content in FILES.items():
            write_to(batch, f"sftp://host{path.decode()}", content)
        batch.commit()


def at(kind: int, place: int, give: Callable[[int], bytes]) -> Answer:
    """Answer to the request of a kind at a place with what ``give`` returns."""
    seen = 0

    def answer(asked: int, number: int, _payload: bytes) -> bytes | None:
        nonlocal seen
        seen += asked == kind
        return give(number) if asked == kind and seen == place else None

    return answer


def test_a_good_server_gives_and_takes_all() -> None:
    channel = SftpChannel(dict(FILES))
    connection = connection_of(channel)

    assert read(connection) == list(FILES.values())
    assert connection.is_kept

    channel.files.clear()
    write(connection)
    assert channel.files == FILES
    assert connection.is_kept


def test_nothing_is_read_after_what_is_no_packet() -> None:
    def forged(number: int) -> bytes:
        size = len(FILES[b"/b"])
        return (
            struct.pack(">I", 1 << 24)
            + attributes(number + 3, size)
            + packet(Kind.DATA, number + 4, string(b"EVIL"))
            + attributes(number + 5, size)
        )

    channel = SftpChannel(dict(FILES), at(Kind.READ, 1, forged))
    connection = connection_of(channel)

    assert read(connection) == [FAILED, LOST]
    assert not connection.is_kept
    with pytest.raises(SftpProtocolError):
        connection.session.call(Kind.FSTAT, string(b"0"), Kind.ATTRS)


def test_one_handle_for_all_files_gives_and_takes_none() -> None:
    def same(kind: int, number: int, _payload: bytes) -> bytes | None:
        if kind == Kind.OPEN:
            return packet(Kind.HANDLE, number, string(b"h"))
        return None

    channel = SftpChannel(dict(FILES), same)
    connection = connection_of(channel)

    assert read(connection) == [LOST]
    assert not connection.is_kept
    with pytest.raises(NotBatchedError):
        write(connection_of(channel))
    assert channel.files == FILES


REFUSED = {
    "an open": (Kind.OPEN, 2),
    "a write": (Kind.WRITE, 1),
    "a status": (Kind.FSTAT, 2),
    "an end": (Kind.CLOSE, 1),
}


@pytest.mark.parametrize(("kind", "place"), REFUSED.values(), ids=REFUSED)
def test_what_a_refused_batch_still_does_is_waited_for(kind: int, place: int) -> None:
    def refuse(number: int) -> bytes:
        return status(number, Status.PERMISSION_DENIED)

    channel = SftpChannel(answer=at(kind, place, refuse))
    connection = connection_of(channel)

    with pytest.raises(StorageError, match="access denied"):
        write(connection)

    assert connection.session.is_idle
    assert channel.files == {}


def test_a_handle_has_256_bytes_at_most() -> None:
    assert handle_of(string(b"h" * 256)) == b"h" * 256
    with pytest.raises(SftpProtocolError):
        handle_of(string(b"h" * 257))


def test_what_comes_before_what_was_asked_for_first_is_bounded() -> None:
    def answer(_kind: int, number: int, _payload: bytes) -> bytes | None:
        if number == 1:
            return b""  # as the last one, if ever
        return packet(Kind.DATA, number, bytes((1 << 20) - 5))

    session = SftpSession(SftpChannel(answer=answer), stall=1)
    numbers = session.request(*[(Kind.READ, string(b"h"))] * 40)

    with pytest.raises(SftpProtocolError, match="too much"):
        session.wait(numbers[0], Kind.DATA)

    assert session.is_broken
