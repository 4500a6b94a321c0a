"""What namenodes say of files, and of what lies in a directory."""

from collections.abc import Mapping, Sequence
from typing import Any

from tesk_filer.adapters.storage.webhdfs_requests import nonsense
from tesk_filer.ports import Entry, Stat, StorageError
from tesk_model.locations import printable

SEPARATOR = "\0"
"""Between a directory and the last name that was listed."""


def stat_of(status: Mapping[str, Any]) -> Stat:
    """Return what a status tells of a file or directory."""
    if status.get("type") == "DIRECTORY":
        return Stat(is_directory=True)
    try:
        size, changed = int(status["length"]), int(status["modificationTime"])
    except (LookupError, ValueError, TypeError) as error:
        raise nonsense() from error
    return Stat(size=size, etag=f"{changed}-{size}-{status.get('fileId', '')}")


def sort_statuses(
    statuses: Sequence[Mapping[str, Any]], folder: str
) -> tuple[list[Entry], list[str], list[str]]:
    """Return files, cursors of directories, and notes of what is neither."""
    entries: list[Entry] = []
    folders: list[str] = []
    notes: list[str] = []
    for status in statuses:
        suffix = str(status.get("pathSuffix", ""))
        if not suffix:
            raise StorageError("is a file; give the input type FILE")
        if "/" in suffix or suffix in (".", ".."):
            raise nonsense()
        name = f"{folder}/{suffix}" if folder else suffix
        if status.get("type") == "DIRECTORY":
            folders.append(name + SEPARATOR)
        elif status.get("type") == "FILE":
            found = stat_of(status)
            entries.append(Entry(name=name, size=found.size, etag=found.etag))
        else:
            notes.append(f"{printable(name)} is not a regular file, left out")
    return entries, folders, notes


def listed(answer: Any) -> list[dict[str, Any]]:
    """Return the statuses of a listing."""
    try:
        return [dict(status) for status in answer["FileStatuses"]["FileStatus"]]
    except (LookupError, ValueError, TypeError) as error:
        raise nonsense() from error
