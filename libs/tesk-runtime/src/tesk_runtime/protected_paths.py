"""Places of this machine that no task reads or writes, whatever is allowed.

People name the folders that tasks may use, and name too much: a home, a
checkout, ``/``. Whoever writes a shell's start-up file or a git hook there runs
code later, outside of any sandbox; whoever reads keys needs no code. Two rules
keep such places out:

- by name: one table of names that mean the same in every folder;
- by identity: device and inode of folders and files, so that no second name
  (a link, a bind mount, another case) leads around it. What does not exist has
  none: it is known by its path.
"""

import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tesk_model.paths import is_within

# Folders and files by what they are to their owner.
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
# What lies below these; a file of such a name is nothing special.
PROTECTED_FOLDERS = frozenset({".config", ".local"})

# Unicode's Default_Ignorable_Code_Point: no difference between names on file
# systems that fold them (ext4, F2FS).
_UNSEEN = re.compile(
    r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)

SYSTEM_FOLDERS = ("/boot", "/etc", "/proc", "/sys", "/var/spool/cron", "/var/spool/at")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedPath:
    """A folder or file that is kept out by identity.

    Attributes:
        description: Names it in messages.
        is_code: Part of this program: harmless to read where somebody says so.
    """

    path: Path
    description: str
    is_code: bool = False


class ProtectedPaths:
    """Finds out whether something lies in a protected place."""

    def __init__(self, places: Iterable[ProtectedPath] = ()) -> None:
        """Protect what exists of ``places`` now by identity, the others by path."""
        self._known: dict[tuple[int, int], ProtectedPath] = {}
        self._missing: dict[str, ProtectedPath] = {}
        for place in places:
            try:
                found = place.path.stat()
            except OSError:
                self._missing.setdefault(os.path.realpath(place.path), place)
                continue
            self._known.setdefault((found.st_dev, found.st_ino), place)

    def match_name(self, path: str) -> str:
        """Return what ``path`` is called or lies in; empty if neither is protected.

        Args:
            path: Absolute, links resolved.
        """
        *above, last = path.split("/")
        for name in above:
            if (
                folded := _folded(name)
            ) in PROTECTED_NAMES or folded in PROTECTED_FOLDERS:
                return f'"{name}"'
        if _folded(last) in PROTECTED_NAMES:
            return f'"{last}"'
        found = (
            place.description
            for missing, place in self._missing.items()
            if is_within(path, missing)
        )
        return next(found, "")

    def match_identity(
        self, status: os.stat_result, *, may_be_code: bool = False
    ) -> str:
        """Return what the folder or file of ``status`` is; empty if not protected.

        Args:
            status: Of the thing itself, not of what lies in it.
            may_be_code: Let this program's own files pass.
        """
        place = self._known.get((status.st_dev, status.st_ino))
        if place is None or (may_be_code and place.is_code):
            return ""
        return place.description

    def match_path(self, path: Path) -> str:
        """Return in what ``path`` lies, links followed; empty if nowhere protected."""
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


def _folded(name: str) -> str:
    """Return one form of the names that some file system takes for one.

    Some know no case, no characters that are not seen, or no dots and spaces at
    the end (those of Windows).
    """
    if not name.isascii():
        name = unicodedata.normalize("NFC", _UNSEEN.sub("", name))
    return name.rstrip(" .").casefold()


def format_refusal(what: str) -> str:
    """Return the sentence for what lies in the protected place ``what``."""
    return f"lies in {what}, where no task reads or writes"


def state_paths(home: Path) -> Iterator[ProtectedPath]:
    """Yield ``TESK_HOME`` and what lies in it, each by its own identity."""
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
    """Yield the files that settings name: who writes them decides what TESK runs."""
    for file in files:
        if file:
            yield ProtectedPath(
                path=Path(file), description=f"TESK's own settings ({file})"
            )
