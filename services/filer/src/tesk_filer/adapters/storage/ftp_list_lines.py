"""Receives a listing of an FTP server, which ends as the server sees fit."""

import ftplib
import re
import socket
from collections.abc import Iterator

from tesk_filer.adapters.storage.documents import pieces_of
from tesk_filer.adapters.storage.ftp_connection import (
    BINARY,
    FtpConnection,
    end_receiving,
    reply_code,
)
from tesk_filer.ports import StorageError

# vsftpd sends nothing of what it cannot open, and ends as if it were all.
_NOT_OPENED = re.compile("failed to open|denied", re.IGNORECASE)
_MAX_NAMES = 1_000_000  # of one directory
_MAX_LISTING = 256 * 1024 * 1024  # bytes
_MAX_LINE = 8192  # bytes
_TEXT = "TYPE A"


def lines_of(connection: FtpConnection, command: str) -> list[str]:
    """Return what ``command`` lists of the directory that was entered.

    Raises:
        StorageError, ftplib.Error, OSError: It is not listed.
        UnicodeError: A name is not UTF-8.
    """
    try:
        connection.sendcmd(_TEXT)
        lines, end = _listed(connection, command)
        check_opened(end)
    except (ftplib.error_perm, ftplib.error_temp, ftplib.error_reply):
        connection.voidcmd(BINARY)
        raise
    connection.voidcmd(BINARY)  # for SIZE, which text mode refuses
    return lines


def _listed(connection: FtpConnection, command: str) -> tuple[list[str], str]:
    """Return the lines, and the reply that ends them."""
    data, end = connection.open_listing(command)
    with data:
        lines = list(_split(data, connection.timeout))
        end_receiving(data)
    return lines, end or connection.voidresp()


def check_opened(reply: str) -> None:
    """Raise StorageError if the reply to a listing says that there was none."""
    if _NOT_OPENED.search(reply):
        message = f"access denied: the server does not list it ({reply_code(reply)})"
        raise StorageError(message)


def _split(data: socket.socket, stall: float | None) -> Iterator[str]:
    """Yield the lines of a listing."""
    rest, count = b"", 0
    for piece in pieces_of(data.recv, limit=_MAX_LISTING, stall=stall):
        *whole, rest = (rest + piece).split(b"\n")
        count += len(whole)
        if count > _MAX_NAMES:
            message = f"one directory holds more than {_MAX_NAMES:,} names"
            raise StorageError(message)
        if len(rest) > _MAX_LINE:
            raise StorageError("the server's replies make no sense")
        yield from (line.decode().removesuffix("\r") for line in whole)
    if rest:
        yield rest.decode().removesuffix("\r")
