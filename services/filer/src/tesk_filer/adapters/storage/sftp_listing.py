"""Status of paths and contents of directories on an SFTP server."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tesk_filer.adapters.storage.sftp_connection import explain_status
from tesk_filer.adapters.storage.sftp_protocol import (
    Attributes,
    Kind,
    SftpError,
    Status,
    attributes_of,
    encode,
    handle_of,
    names_of,
    string,
)
from tesk_filer.adapters.storage.sftp_session import SftpSession
from tesk_filer.ports import StorageError
from tesk_model.locations import printable

_MAX_NAMES = 1_000_000  # of one directory
_BOTH = frozenset({".", "..", ""})


@dataclass(frozen=True, slots=True)
class Directory:
    """Content of one directory.

    Attributes:
        found: Files and directories by name; of a link, what it leads to.
        links: Names that are links.
        notes: What was left out, and why.
    """

    found: dict[str, Attributes] = field(default_factory=dict)
    links: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def stat_of(session: SftpSession, path: str) -> Attributes | None:
    """Return the attributes of what is at ``path``, links followed; None if nothing is."""
    try:
        return attributes_of(session.call(Kind.STAT, encode(path), Kind.ATTRS))
    except SftpError as error:
        if error.code == Status.NO_SUCH_FILE:
            return None
        raise


def absence(session: SftpSession, path: str, error: SftpError) -> Exception:
    """Return why a file cannot be opened."""
    if error.code in (Status.NO_SUCH_FILE, Status.PERMISSION_DENIED):
        return error
    found = stat_of(session, path)
    if found is not None and found.is_directory:
        return StorageError("is a directory; give the input type DIRECTORY")
    return error


def list_directory(session: SftpSession, path: str) -> Directory:
    """Return the content of the directory at ``path``.

    Raises:
        StorageError: It is not a directory.
    """
    listed = Directory()
    try:
        for count, (name, found) in enumerate(_all_names(session, path)):
            if count >= _MAX_NAMES:
                message = f"one directory holds more than {_MAX_NAMES:,} names"
                raise StorageError(message)
            if name not in _BOTH:
                _add(session, path, (name, found), listed)
    except SftpError as error:
        found_now = stat_of(session, path)
        if found_now is None or found_now.is_directory:
            raise
        raise StorageError("is a file; give the input type FILE") from error
    return listed


def _all_names(session: SftpSession, path: str) -> Iterator[tuple[str, Attributes]]:
    handle = handle_of(session.call(Kind.OPENDIR, encode(path), Kind.HANDLE))
    while names := _next_names(session, handle):
        yield from names
    session.forget(*session.request((Kind.CLOSE, string(handle))))


def _next_names(session: SftpSession, handle: bytes) -> list[tuple[str, Attributes]]:
    try:
        return names_of(session.call(Kind.READDIR, string(handle), Kind.NAME))
    except SftpError as error:
        if error.code == Status.EOF:
            return []
        raise


def _add(
    session: SftpSession, folder: str, entry: tuple[str, Attributes], listed: Directory
) -> None:
    name, found = entry
    shown = printable(name)
    if found.is_link or found.mode is None:
        try:
            target = stat_of(session, f"{folder.rstrip('/')}/{name}")
        except SftpError as error:
            reason = explain_status(error)
            message = f"holds {shown}, which cannot be looked at: {reason.message}"
            raise StorageError(message, transient=reason.transient) from error
        if target is None:
            listed.notes.append(f"{shown} is a link to nothing, left out")
            return
        listed.links.add(name)
        found = target
    if found.is_directory or found.is_file:
        listed.found[name] = found
    else:
        listed.notes.append(f"{shown} is not a regular file, left out")
