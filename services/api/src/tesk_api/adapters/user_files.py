"""Reads the files of users and groups, and reads them again when they change."""

import hashlib
import hmac
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

_HASH = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}")
_UNKNOWN_USER_SALT_AND_HASH = "C6UzMDM.H6dfI/f/IKcEeO5vSX2m6VqYw1K0zO1JmZ7vYl9c3r8xK"
_DEFAULT_COST = "10"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessFiles:
    """Paths of the files of users and groups, and the group that may see all tasks.

    Attributes:
        groups: None if there are no groups.
    """

    users: Path
    groups: Path | None
    admin_group: str


@dataclass(frozen=True, slots=True)
class UserDirectory:
    """The contents of the files.

    Attributes:
        hashes: Password hashes by user.
        groups: Groups by user.
        stamp: State of the files when they were read.
        costs: Costs of the hashes, in the order of the file.
        key: Selects a cost for names that do not exist.
    """

    hashes: Mapping[str, str]
    groups: Mapping[str, tuple[str, ...]]
    stamp: tuple[object, ...]
    costs: tuple[str, ...]
    key: bytes

    @classmethod
    def of(
        cls,
        hashes: Mapping[str, str],
        groups: Mapping[str, tuple[str, ...]],
        stamp: tuple[object, ...],
    ) -> "UserDirectory":
        """Return a directory; its key depends on the hashes alone."""
        stored = list(hashes.values())
        costs = tuple(each[4:6] for each in stored) or (_DEFAULT_COST,)
        key = hashlib.sha256("\n".join(stored).encode()).digest()
        return cls(hashes, groups, stamp, costs, key)

    def hash_for(self, name: str) -> str:
        """Return the hash to check a password of ``name`` against.

        For a name that does not exist it matches no password, but costs as much as the
        hash of some user: the time of a check does not tell which names exist.
        """
        known = self.hashes.get(name)
        if known is not None:
            return known
        digest = hmac.digest(self.key, name.encode(), hashlib.sha256)
        cost = self.costs[int.from_bytes(digest) % len(self.costs)]
        return f"$2b${cost}${_UNKNOWN_USER_SALT_AND_HASH}"


class UserFiles:
    """Returns the present contents of the files, or the last valid ones."""

    def __init__(self, files: AccessFiles) -> None:
        """Read the files.

        Raises:
            ValueError: A file cannot be read or has a wrong line.
        """
        self._files = files
        self._directory = _read(files)

    def current(self) -> UserDirectory:
        """Return the users and groups that apply now."""
        old = self._directory
        if _stamp(self._files) == old.stamp:
            return old
        try:
            self._directory = _read(self._files)
        except ValueError as error:
            stamp = _stamp(self._files)
            self._directory = replace(old, stamp=stamp)
            logging.getLogger(__name__).error(  # noqa: TRY400 - the message says it all
                "user files are not usable, the last valid ones still apply",
                extra={"error": str(error)},
            )
        return self._directory


def _read(files: AccessFiles) -> UserDirectory:
    stamp = _stamp(files)
    return UserDirectory.of(_read_users(files.users), _read_groups(files.groups), stamp)


def _stamp(files: AccessFiles) -> tuple[object, ...]:
    stamps: list[object] = []
    for path in (files.users, files.groups):
        try:
            status = path.stat() if path else None
        except OSError:
            status = None
        stamps.append(
            (status.st_mtime_ns, status.st_size, status.st_ino) if status else None
        )
    return tuple(stamps)


def _read_users(path: Path) -> dict[str, str]:
    users: dict[str, str] = {}
    for number, line in _lines(path):
        name, _, stored = line.partition(":")
        if not name or _HASH.fullmatch(stored) is None:
            raise ValueError(
                f"{path}, line {number}: must read name:$2y$…, as htpasswd -B writes"
            )
        users[name] = stored
    return users


def _read_groups(path: Path | None) -> dict[str, tuple[str, ...]]:
    groups: dict[str, tuple[str, ...]] = {}
    for number, line in _lines(path) if path else ():
        group, colon, members = line.partition(":")
        if not group.strip() or not colon:
            raise ValueError(f"{path}, line {number}: must read group: user1 user2")
        for member in members.split():
            groups[member] = (*groups.get(member, ()), group.strip())
    return groups


def _lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines that are neither empty nor comments, with their numbers."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    return [
        (number, line.strip())
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
