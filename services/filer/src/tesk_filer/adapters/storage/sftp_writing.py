"""Uploads files to SFTP servers: a hidden file is renamed when it is complete."""

import struct
from collections.abc import Sequence
from contextlib import suppress

from tesk_filer.adapters.storage.directory_targets import directory_in_the_way
from tesk_filer.adapters.storage.sftp_listing import stat_of
from tesk_filer.adapters.storage.sftp_protocol import (
    Flag,
    Kind,
    SftpError,
    Status,
    attributes_of,
    encode,
    handle_of,
    string,
)
from tesk_filer.adapters.storage.sftp_session import Packet, SftpSession
from tesk_filer.adapters.storage.sftp_streams import send_file
from tesk_filer.adapters.storage.write_checks import folders_above, untold
from tesk_filer.domain.checks import WriteFound
from tesk_filer.domain.redaction import excerpt
from tesk_filer.ports import Advance, Source, StorageError
from tesk_model.locations import printable

_WITH_MODE = 0x4
_WRITABLE = 0o222
_FILE_ABOVE = "a directory of its path is a file"
_POSIX_RENAME = string(b"posix-rename@openssh.com")


def write_file(
    session: SftpSession,
    names: tuple[str, str],
    source: Source,
    advance: Advance,
    incomplete: set[str],
) -> None:
    """Upload a file, verify its size and give it its name.

    Args:
        session: With the server.
        names: Absolute paths of the hidden file and of the file.
        source: The file.
        advance: Called with what the server has confirmed.
        incomplete: Holds the hidden path while it is to be removed.

    Raises:
        StorageError, SftpError: The upload failed.
    """
    hidden, path = names
    handle = _create(session, hidden, path, executable=source.executable)
    incomplete.add(hidden)
    try:
        send_file(session, handle, source, advance)
    except SftpError as error:
        raise _write_error(error) from error
    # Some servers find out now that their disk is full.
    numbers = session.request(*ending(handle))
    wait_ended(session, numbers, source.size)
    rename(session, hidden, path)
    incomplete.clear()


def creation(hidden: str, *, executable: bool) -> Packet:
    """Return the request that opens a new file, or empties one that is there."""
    flags = Flag.WRITE | Flag.CREATE | Flag.TRUNCATE
    mode = 0o777 if executable else 0o666  # less the umask of the server
    packed = struct.pack(">III", flags, _WITH_MODE, mode)
    return Kind.OPEN, encode(hidden), packed


def may_lack_folder(error: SftpError) -> bool:
    """Tell whether a file could not be created because its folder is missing."""
    return error.code in (Status.NO_SUCH_FILE, Status.FAILURE)


def ending(handle: bytes) -> tuple[Packet, Packet]:
    """Return the requests that end a file: its status, and that it is closed."""
    return (Kind.FSTAT, string(handle)), (Kind.CLOSE, string(handle))


def wait_ended(session: SftpSession, numbers: Sequence[int], size: int) -> None:
    """Wait until a file of ``size`` bytes has ended.

    Args:
        session: With the server.
        numbers: Of the requests of ``ending``.
        size: Of the file.

    Raises:
        StorageError, SftpError: It cannot be written, or is not complete.
    """
    status, closed = numbers
    found = attributes_of(session.wait(status, Kind.ATTRS)).size
    try:
        session.wait(closed, Kind.STATUS)
    except SftpError as error:
        raise _write_error(error) from error
    if found not in (None, size):
        message = f"{found} of {size} bytes arrived"
        raise StorageError(message, transient=True)


def make_folders(session: SftpSession, path: str) -> None:
    """Make a directory and those above it.

    Raises:
        StorageError, SftpError: There is none afterwards.
    """
    if _is_directory(session, path):
        return
    segments = [segment for segment in path.split("/") if segment]
    refused: SftpError | None = None
    for end in range(1, len(segments) + 1):
        try:
            session.call(Kind.MKDIR, encode("/" + "/".join(segments[:end])) + bytes(4))
        except SftpError as error:  # it exists, or what follows fails
            refused = error
    if not _is_directory(session, path):
        raise refused or StorageError("the directory cannot be made")


def check_place(session: SftpSession, path: str) -> WriteFound:
    """Say what keeps a file from being written at ``path``, as far as it can be seen.

    SFTP tells the modes of folders, but not who asks: what is denied to some may be
    allowed to this user.

    Raises:
        StorageError, SftpError: It could not be written.
    """
    _refuse_directory(session, path)
    for folder in folders_above(path):
        found = stat_of(session, folder)
        if found is None:
            continue
        if found.mode is not None and not found.is_directory:
            raise StorageError(_FILE_ABOVE)
        if found.mode is not None and not found.mode & _WRITABLE:
            raise StorageError(
                f"access denied: nobody may write in {printable(folder)}"
            )
        return untold(f"the nearest folder there is {printable(folder)}")
    return untold("no folder there exists")


def renaming(hidden: str, path: str) -> Packet:
    """Return the request that gives a file its name, whatever has it now."""
    return Kind.EXTENDED, _POSIX_RENAME, encode(hidden), encode(path)


def rename(session: SftpSession, hidden: str, path: str) -> None:
    """Give a file its name; another file that has it is replaced.

    Raises:
        StorageError, SftpError: It cannot have it.
    """
    if session.has_posix_rename:
        try:
            session.ask(renaming(hidden, path))
        except SftpError as error:
            _refuse_directory(session, path)
            if error.code != Status.UNSUPPORTED:  # some only announce it
                raise
        else:
            return
    try:
        session.call(Kind.RENAME, encode(hidden) + encode(path))
    except SftpError as error:  # it does not replace a file
        # A directory would be moved away, with all that is in it.
        _refuse_directory(session, path)
        _exchange(session, hidden, path, error)


def remove(session: SftpSession, path: str) -> None:
    """Remove a file, if the server lets us."""
    with suppress(SftpError):
        session.call(Kind.REMOVE, encode(path))


def _create(session: SftpSession, hidden: str, path: str, *, executable: bool) -> bytes:
    request = creation(hidden, executable=executable)
    try:
        return handle_of(session.ask(request, Kind.HANDLE))
    except SftpError as error:
        if not may_lack_folder(error):
            raise
        make_folders(session, path.rpartition("/")[0] or "/")
        return handle_of(session.ask(request, Kind.HANDLE))


def _is_directory(session: SftpSession, path: str) -> bool:
    found = stat_of(session, path)
    if found is not None and not found.is_directory and found.mode is not None:
        raise StorageError(_FILE_ABOVE)
    return found is not None


def _refuse_directory(session: SftpSession, path: str) -> None:
    """Raise StorageError if what is not replaced is a directory."""
    found = stat_of(session, path)
    if found is not None and found.is_directory:
        raise directory_in_the_way()


def _exchange(session: SftpSession, hidden: str, path: str, refused: SftpError) -> None:
    """Put a complete file in the place of one that is there already."""
    before = f"{hidden}.before"
    try:
        session.call(Kind.RENAME, encode(path) + encode(before))
    except SftpError:
        raise refused from None
    try:
        session.call(Kind.RENAME, encode(hidden) + encode(path))
    except SftpError:
        session.call(Kind.RENAME, encode(before) + encode(path))
        raise
    remove(session, before)


def _write_error(error: SftpError) -> Exception:
    """Explain a failure without a reason: SFTP has no word for a full disk."""
    if error.code != Status.FAILURE:
        return error
    said = str(error) or "failure"
    return StorageError(
        f"the server cannot write ({excerpt(said, 100)}); its disk or the user's quota may be full"
    )
