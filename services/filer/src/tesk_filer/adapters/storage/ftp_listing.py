"""Reads sizes of files and contents of directories on an FTP server.

Some servers take the argument of MLSD and NLST for a pattern, and find nothing
for a name with a bracket. So a directory is entered, and then listed without an
argument. Where MLSD is unknown (vsftpd), NLST gives the names. What LIST tells of them
is used if it is surely understood, since each server writes it its own way; what it
does not tell is asked name by name.
"""

import ftplib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tesk_filer.adapters.storage.ftp_connection import FtpConnection, reply_code
from tesk_filer.adapters.storage.ftp_list_format import parse_list
from tesk_filer.adapters.storage.ftp_list_lines import check_opened, lines_of
from tesk_filer.ports import Stat, StorageError
from tesk_model.locations import printable

UNKNOWN_COMMAND = frozenset({"500", "501", "502", "504"})
NO_ACCESS = frozenset({"450", "550", "553"})

# Many servers refuse to list an empty directory.
_NOTHING_LISTED = NO_ACCESS | UNKNOWN_COMMAND
_MANY_NAMES = 4  # fewer are sooner asked one by one than listed once more
_DIGITS = 18  # of a size; more than any file has
_NAMES = "NLST"
_BOTH = frozenset({".", "..", ""})
_UNKNOWN_SIZE = Stat()


@dataclass(frozen=True, slots=True)
class Directory:
    """Content of one directory.

    Attributes:
        found: Files and directories by name.
        identities: Of directories in it, where the server reports them.
        notes: What was left out, and why.
    """

    found: dict[str, Stat] = field(default_factory=dict)
    identities: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def size_of(connection: FtpConnection, path: str) -> int | None:
    """Return the size of a file; None if it is not a file or the size is unknown."""
    size, _ = _ask_size(connection, path)
    return size


def stat_of(connection: FtpConnection, path: str) -> Stat | None:
    """Return the status of ``path``."""
    size, knows_sizes = _ask_size(connection, path)
    if size is not None:
        return Stat(size=size)
    if enter(connection, path):
        return Stat(is_directory=True)
    if knows_sizes:
        return None
    folder, _, name = path.rpartition("/")
    if not enter(connection, folder or "/"):
        return None
    return _UNKNOWN_SIZE if name in _names(connection)[0] else None


def identity_of(connection: FtpConnection, path: str) -> str:
    """Return the identity of the directory at ``path``.

    The fact ``unique``, else its path as the server reports it, which on some servers
    is resolved.
    """
    if not enter(connection, path):
        return ""
    if unique := _facts_of_entered(connection).get("unique"):
        return unique
    try:
        return connection.pwd()
    except ftplib.error_perm:
        return ""


def list_directory(connection: FtpConnection, path: str) -> Directory:
    """Return the content of the directory at ``path``.

    Raises:
        StorageError: It is not a directory.
    """
    if not enter(connection, path):
        raise absence(connection, path)
    try:
        lines = lines_of(connection, "MLSD")
    except ftplib.error_perm as error:
        if reply_code(error) not in UNKNOWN_COMMAND:
            raise StorageError(f"access denied ({reply_code(error)})") from error
        return _by_names(connection, path)
    listed = Directory()
    for name, facts in map(_facts, lines):
        kind = facts.get("type", "").lower()
        if kind in ("cdir", "pdir") or name in _BOTH:
            continue
        if kind == "dir":
            listed.found[name] = Stat(is_directory=True)
        elif kind == "file":
            listed.found[name] = Stat(size=_number(facts.get("size", "")))
        else:  # a link, say
            _inspect(connection, path, name, listed)
            continue
        listed.identities[name] = facts.get("unique", "")
    return listed


def absence(connection: FtpConnection, path: str) -> StorageError:
    """Return why the directory at ``path`` cannot be entered."""
    stat = stat_of(connection, path)
    if stat is not None and not stat.is_directory:
        return StorageError("is a file; give the input type FILE")
    return StorageError("does not exist, or access denied (550)")


def read_error(
    connection: FtpConnection, path: str, error: ftplib.error_perm
) -> StorageError:
    """Return why the server refuses to read the file at ``path``."""
    code = reply_code(error)
    if code not in NO_ACCESS:
        return StorageError(f"the server refuses ({code})")
    stat = stat_of(connection, path)
    if stat is None:
        return StorageError("does not exist, or access denied (550)")
    if stat.is_directory:
        return StorageError("is a directory; give the input type DIRECTORY")
    return StorageError("access denied (550)")


def permissions_of(connection: FtpConnection, folder: str) -> str | None:
    """Return the fact ``perm`` of a directory; None if the server does not report it.

    Source:
        RFC 3659, 7.5.5: ``p``: entries of the directory may be deleted.
    """
    if not enter(connection, folder):
        return None
    return _facts_of_entered(connection).get("perm")


def enter(connection: FtpConnection, path: str) -> bool:
    """Make ``path`` the current directory; tell whether it is one."""
    try:
        connection.cwd(path)
    except ftplib.error_perm as error:
        if reply_code(error) in NO_ACCESS:
            return False
        raise
    return True


def _facts_of_entered(connection: FtpConnection) -> Mapping[str, str]:
    try:
        lines = connection.sendcmd("MLST").splitlines()
    except ftplib.error_perm:
        return {}
    return _facts(lines[1].strip())[1] if len(lines) > 1 else {}


def _by_names(connection: FtpConnection, path: str) -> Directory:
    listed = Directory()
    names, option = _names(connection)
    described = _described(connection, option) if len(names) >= _MANY_NAMES else {}
    for name in names:
        if stat := described.get(name):
            listed.found[name] = stat
        else:
            _inspect(connection, path, name, listed)
    return listed


def _described(connection: FtpConnection, option: str) -> Mapping[str, Stat]:
    """Return what LIST says in a way that is understood."""
    try:
        return parse_list(lines_of(connection, f"LIST{option}"))
    except (ftplib.error_perm, ftplib.error_temp, ftplib.error_reply):
        return {}


def _names(connection: FtpConnection) -> tuple[Sequence[str], str]:
    """Return the names in the directory that was entered, hidden ones too.

    ``-a`` is a name or a pattern for some servers, so its result counts only if it
    includes all other names; then it is returned, too.
    """
    names = _nlst(connection, _NAMES)
    with_hidden = _nlst(connection, f"{_NAMES} -a")
    if with_hidden.issuperset(names):
        return sorted(with_hidden - _BOTH), " -a"
    return sorted(names - _BOTH), ""


def _nlst(connection: FtpConnection, command: str) -> set[str]:
    try:
        lines = lines_of(connection, command)
    except (ftplib.error_perm, ftplib.error_temp) as error:
        if reply_code(error) not in _NOTHING_LISTED:
            raise
        if command == _NAMES:
            check_opened(str(error))
        return set()
    return {line.rstrip("/").rpartition("/")[2] for line in lines}


def _inspect(
    connection: FtpConnection, folder: str, name: str, listed: Directory
) -> None:
    """Find out whether a listed name is a file or a directory."""
    path = f"{folder.rstrip('/')}/{name}"
    size, knows_sizes = _ask_size(connection, path)
    if size is not None:
        listed.found[name] = Stat(size=size)
    elif enter(connection, path):
        listed.found[name] = Stat(is_directory=True)
    elif not knows_sizes:
        listed.found[name] = _UNKNOWN_SIZE
    else:
        listed.notes.append(
            f"{printable(name)} is neither a file nor a directory that can be read, "
            "left out"
        )


def _ask_size(connection: FtpConnection, path: str) -> tuple[int | None, bool]:
    """Return the size, and whether the server supports SIZE."""
    try:
        reply = connection.sendcmd(f"SIZE {path}")
    except ftplib.error_perm as error:
        return None, reply_code(error) not in UNKNOWN_COMMAND
    return (_number(reply[4:].strip()) if reply.startswith("213") else None), True


def _facts(line: str) -> tuple[str, Mapping[str, str]]:
    """Parse a line of MLSD or MLST: its name, its facts."""
    facts, _, name = line.partition(" ")
    pairs = (fact.partition("=") for fact in re.split(";", facts))
    return name, {key.lower(): value for key, _, value in pairs if key}


def _number(text: str) -> int | None:
    is_one = text.isascii() and text.isdecimal() and len(text) <= _DIGITS
    return int(text) if is_one else None
