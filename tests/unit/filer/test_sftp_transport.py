"""Bytes pass from a socket to SFTP whole and in order."""

import socket
from collections.abc import Iterator

import pytest
from paramiko.buffered_pipe import PipeTimeout

from tesk_filer.adapters.storage.sftp_protocol import LEAST_BLOCK, Limits, limits_of
from tesk_filer.adapters.storage.sftp_transport import ChunkPipe, ReadAheadSocket


@pytest.fixture
def ends() -> Iterator[tuple[ReadAheadSocket, socket.socket]]:
    near, far = socket.socketpair()
    with ReadAheadSocket(near) as ahead, far:
        ahead.settimeout(5)
        yield ahead, far


def test_a_socket_gives_what_has_come_in_pieces(
    ends: tuple[ReadAheadSocket, socket.socket],
) -> None:
    ahead, far = ends
    far.sendall(b"0123456789")

    assert [ahead.recv(4), ahead.recv(4), ahead.recv(4)] == [b"0123", b"4567", b"89"]


def test_a_socket_tells_its_end_after_what_came_before(
    ends: tuple[ReadAheadSocket, socket.socket],
) -> None:
    ahead, far = ends
    far.sendall(b"last")
    far.close()

    assert [ahead.recv(2), ahead.recv(10), ahead.recv(10)] == [b"la", b"st", b""]


def test_a_socket_keeps_its_timeout(
    ends: tuple[ReadAheadSocket, socket.socket],
) -> None:
    ahead, _ = ends
    ahead.settimeout(0.01)

    with pytest.raises(TimeoutError):
        ahead.recv(1)


def test_a_pipe_gives_what_came_in_order() -> None:
    pipe = ChunkPipe()
    pipe.feed(b"0123")
    pipe.feed(b"45")

    assert len(pipe) == 6
    assert [pipe.read(3), pipe.read(3), pipe.read(3)] == [b"012", b"3", b"45"]


def test_a_pipe_tells_its_end_after_what_came_before() -> None:
    pipe = ChunkPipe()
    pipe.feed(b"last")
    pipe.close()

    assert [pipe.read(9), pipe.read(9, 0.0)] == [b"last", b""]


def test_a_pipe_in_which_nothing_comes_times_out() -> None:
    with pytest.raises(PipeTimeout):
        ChunkPipe().read(1, 0.01)


MIB = (1 << 20).to_bytes(8)
LIMITS = {
    "openssh": (MIB + (261120).to_bytes(8) * 2 + MIB, Limits(261120, 261120)),
    "no limits": (MIB + bytes(24), Limits(261120, 261120)),
    "less than every server takes": (
        MIB + (1).to_bytes(8) * 2 + MIB,
        Limits(LEAST_BLOCK, LEAST_BLOCK),
    ),
    "more than a packet holds": (
        MIB + (1 << 40).to_bytes(8) * 2 + MIB,
        Limits(261120, 261120),
    ),
}


@pytest.mark.parametrize(("payload", "want"), LIMITS.values(), ids=LIMITS)
def test_limits_of_servers(payload: bytes, want: Limits) -> None:
    assert limits_of(payload) == want
