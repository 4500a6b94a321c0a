"""Decides which folders of this machine a server lets tasks use.

``tesk serve`` gives tasks a folder of their own: starting it in a home or a
checkout does not mean to share that. ``tesk run`` uses the current folder.
Neither may be a protected folder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tesk_cli.serve.errors import ServeError
from tesk_runtime.protected_paths import ProtectedPaths, format_refusal

_SETTING = "TESK_FILE_ROOTS"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRoots:
    """Absolute folders; tasks write into the first by default."""

    writable: tuple[Path, ...]
    readable: tuple[Path, ...]


def default_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder that tasks use if the settings name none."""
    home = environ.get("HOME", "")
    return (Path(home) if home else Path.home()).absolute() / "tesk-files"


def server_roots(
    named: Sequence[str], environ: Mapping[str, str], protected: ProtectedPaths
) -> tuple[Path, ...]:
    """Return the folders that ``tesk serve`` lets tasks write: named ones or the default.

    Raises:
        ServeError: A folder is protected.
    """
    roots = tuple(Path(root).absolute() for root in named) or (default_folder(environ),)
    for root in roots:
        if what := protected.match_path(root):
            msg = f"{_SETTING}: {root} {format_refusal(what)}; name another folder"
            raise ServeError(msg)
    return tuple(dict.fromkeys(roots))


def reference_folders(
    named: Mapping[str, str], protected: ProtectedPaths, own: Sequence[Path]
) -> Mapping[str, Path]:
    """Return the folders of references, which executors see as a whole.

    Args:
        named: Folders by name.
        protected: Paths that no task may read.
        own: Of these, TESK's state and settings: they may not lie in a reference.

    Raises:
        ServeError: A folder is missing, is protected or holds what is.
    """
    folders = {name: Path(path).absolute() for name, path in named.items()}
    for name, folder in folders.items():
        setting = f"TESK_REFERENCES: {name}: {folder}"
        if not folder.is_dir():
            raise ServeError(f"{setting} is not a folder")
        if what := protected.match_path(folder):
            raise ServeError(f"{setting} {format_refusal(what)}; name another folder")
        real = folder.resolve()
        for path in own:
            if path.resolve().is_relative_to(real):
                raise ServeError(f"{setting} holds {path}; name a folder without it")
    return folders


def command_roots(
    folders: Sequence[Path], environ: Mapping[str, str], protected: ProtectedPaths
) -> tuple[Path, ...]:
    """Return the folders that ``tesk run`` lets its task write.

    Args:
        folders: The folders of the command, the current one first.
        environ: Names the home, for the default folder.
        protected: Paths that may not be written.
    """
    current, *others = folders
    usable = [folder for folder in others if not protected.match_path(folder)]
    first = alternative_folder(current, environ, protected) or current
    return tuple(dict.fromkeys((first, *usable)))


def alternative_folder(
    current: Path, environ: Mapping[str, str], protected: ProtectedPaths
) -> Path | None:
    """Return the folder to use instead of a protected current one, or None."""
    return default_folder(environ) if protected.match_path(current) else None


def make_default_folder(roots: Sequence[Path], environ: Mapping[str, str]) -> None:
    """Create the default folder, if it is one of ``roots``.

    Raises:
        ServeError: It cannot be created.
    """
    own = default_folder(environ)
    if own not in roots:
        return
    try:
        own.mkdir(exist_ok=True)
    except OSError as error:
        msg = (
            f"cannot create {own} for the files of tasks: {error.strerror}; "
            f"set {_SETTING} to another folder"
        )
        raise ServeError(msg) from error
