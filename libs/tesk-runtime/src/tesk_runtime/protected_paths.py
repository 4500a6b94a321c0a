"""Protects paths of this machine that no task may read or write.

Operators may allow too much: a home, a checkout, ``/``. A task that writes a shell's
start-up file or a git hook there runs code later, outside of any sandbox; and one that
reads keys needs no code. Two rules protect such paths even in allowed folders:

- by name: one table of names that mean the same in every folder;
- by identity: device and inode of folders and files, so that no second name (a link,
  a bind mount, another case) bypasses it. A path that does not exist is protected as
  it is written.
"""

import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tesk_model.paths import is_within

# Folders and files that hold credentials or private data.
_KEYS = (
    *(".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".oci", ".terraform.d"),
    *(
        ".netrc",
        "_netrc",
        ".pgpass",
        ".my.cnf",
        ".npmrc",
        ".pypirc",
        ".git-credentials",
    ),
    *(".password-store", ".vault-token", ".s3cfg", ".boto", ".rclone.conf"),
    *(".Xauthority", ".ICEauthority", ".mozilla", ".thunderbird"),
    *(".bash_history", ".zsh_history", ".python_history", ".psql_history"),
)
_RUN_LATER = (
    *(".git", ".gitconfig", ".hg", ".hgrc"),
    *(".profile", ".bashrc", ".bash_profile", ".bash_login", ".bash_logout"),
    *(".bash_aliases", ".zshrc", ".zshenv", ".zprofile", ".zlogin", ".zlogout"),
    *(".kshrc", ".mkshrc", ".cshrc", ".tcshrc", ".login", ".logout", ".inputrc"),
    *(".xprofile", ".xinitrc", ".xsession", ".xsessionrc", ".pam_environment"),
    *(".vimrc", ".vim", ".emacs", ".emacs.d", ".gdbinit", ".lldbinit", ".screenrc"),
    *(".tmux.conf", ".forward", ".procmailrc", ".rhosts", ".shosts", ".crontab"),
    *("LaunchAgents", "LaunchDaemons"),
)
PROTECTED_NAMES = frozenset(name.casefold() for name in (*_KEYS, *_RUN_LATER))
# All below these folders; a file of such a name is not protected.
PROTECTED_FOLDERS = frozenset({".config", ".local"})

# Unicode's Default_Ignorable_Code_Point: file systems that fold names (ext4, F2FS)
# ignore them.
_IGNORABLE = re.compile(
    r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)

SYSTEM_FOLDERS = ("/boot", "/etc", "/proc", "/sys", "/var/spool/cron", "/var/spool/at")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedPath:
    """A folder or file that is protected by identity.

    Attributes:
        description: Names it in messages.
        is_code: Part of this program: may be read where the operator allows it.
    """

    path: Path
    description: str
    is_code: bool = False


class ProtectedPaths:
    """Tells whether files are protected."""

    def __init__(self, paths: Iterable[ProtectedPath] = ()) -> None:
        """Protect those of ``paths`` that exist by identity, the others by path."""
        self._known: dict[tuple[int, int], ProtectedPath] = {}
        self._missing: dict[str, ProtectedPath] = {}
        for entry in paths:
            try:
                found = entry.path.stat()
            except OSError:
                self._missing.setdefault(os.path.realpath(entry.path), entry)
                continue
            self._known.setdefault((found.st_dev, found.st_ino), entry)

    def match_name(self, path: str) -> str:
        """Return the protected name or missing path that ``path`` is in; else "".

        Args:
            path: Absolute, links resolved.
        """
        above, _, last = path.rpartition("/")
        if named := _match_folders(above):
            return named
        if _folded(last) in PROTECTED_NAMES:
            return f'"{last}"'
        found = (
            entry.description
            for missing, entry in self._missing.items()
            if is_within(path, missing)
        )
        return next(found, "")

    def match_identity(
        self, status: os.stat_result, *, may_be_code: bool = False
    ) -> str:
        """Return the description of a protected folder or file; else "".

        Args:
            status: Of the path itself; those above it are not known.
            may_be_code: Whether this program's own files are allowed.
        """
        entry = self._known.get((status.st_dev, status.st_ino))
        if entry is None or (may_be_code and entry.is_code):
            return ""
        return entry.description

    def match_path(self, path: Path) -> str:
        """Return what protects ``path`` or a folder above it, links followed; else ""."""
        real = Path(os.path.realpath(path))
        if named := self.match_name(str(real)):
            return named
        for above in (*reversed(real.parents), real):
            try:
                what = self.match_identity(above.stat())
            except OSError:
                continue
            if what:
                return what
        return ""


@lru_cache(maxsize=256)
def _match_folders(path: str) -> str:
    """Return the protected name in the path of a folder, which has many files."""
    for name in path.split("/"):
        if (folded := _folded(name)) in PROTECTED_NAMES or folded in PROTECTED_FOLDERS:
            return f'"{name}"'
    return ""


def _folded(name: str) -> str:
    """Return one form for all names that some file system takes for the same.

    File systems may ignore case, invisible characters, or (those of Windows) dots and
    spaces at the end.
    """
    if not name.isascii():
        name = unicodedata.normalize("NFC", _IGNORABLE.sub("", name))
    return name.rstrip(" .").casefold()


def format_refusal(what: str) -> str:
    """Return the message for a path that is protected by ``what``."""
    return f"lies in {what}, where no task reads or writes"


def state_paths(home: Path) -> Iterator[ProtectedPath]:
    """Yield ``TESK_HOME`` and its entries, each by its own identity."""
    what = "TESK's own state (TESK_HOME)"
    yield ProtectedPath(path=home, description=what)
    try:
        children = list(home.iterdir())
    except OSError:
        return
    for child in children:
        if not stat.S_ISLNK(child.lstat().st_mode):
            yield ProtectedPath(path=child, description=what)


def system_paths() -> Iterator[ProtectedPath]:
    """Yield the folders from which this machine itself is run."""
    for path in SYSTEM_FOLDERS:
        yield ProtectedPath(path=Path(path), description=f"{path} of this machine")


def settings_paths(files: Iterable[str]) -> Iterator[ProtectedPath]:
    """Yield the files that settings name: they decide what TESK runs."""
    for file in files:
        if file:
            yield ProtectedPath(
                path=Path(file), description=f"TESK's own settings ({file})"
            )
