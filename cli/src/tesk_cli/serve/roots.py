"""Which folders of this machine a server lets tasks use.

A server that stays gives tasks a folder of their own: whoever starts it in a home
or a checkout does not mean to hand that out. The server of one command works
where its user is. Neither lies in a place that no task may touch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tesk_cli.serve.errors import ServeError
from tesk_runtime.protected import ProtectedPlaces, refusal

_SETTING = "TESK_FILE_ROOTS"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRoots:
    """Absolute folders, the first of them for what tasks write."""

    writable: tuple[Path, ...]
    readable: tuple[Path, ...]


def own_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder that tasks get where nobody names one."""
    home = environ.get("HOME", "")
    return (Path(home) if home else Path.home()).absolute() / "tesk-files"


def server_roots(
    named: Sequence[str], environ: Mapping[str, str], protected: ProtectedPlaces
) -> tuple[Path, ...]:
    """Return what a server that stays lets tasks write: what is named, or its own.

    Raises:
        ServeError: A folder lies where no task may write.
    """
    roots = tuple(Path(root).absolute() for root in named) or (own_folder(environ),)
    for root in roots:
        if what := protected.holds(root):
            msg = f"{_SETTING}: {root} {refusal(what)}; name another folder"
            raise ServeError(msg)
    return tuple(dict.fromkeys(roots))


def command_roots(
    folders: Sequence[Path], environ: Mapping[str, str], protected: ProtectedPlaces
) -> tuple[Path, ...]:
    """Return what the server of one command lets its task write.

    Args:
        folders: Of the command: the current one first.
        environ: For the folder that stands in for the current one.
        protected: What may not be written.
    """
    current, *others = folders
    usable = [folder for folder in others if not protected.holds(folder)]
    first = stand_in(current, environ, protected) or current
    return tuple(dict.fromkeys((first, *usable)))


def stand_in(
    current: Path, environ: Mapping[str, str], protected: ProtectedPlaces
) -> Path | None:
    """Return the folder for outputs where the current one may not be written.

    None if the current one will do.
    """
    return own_folder(environ) if protected.holds(current) else None


def make_own_folder(roots: Sequence[Path], environ: Mapping[str, str]) -> None:
    """Make the folder that tasks get by default, if it is one of ``roots``.

    Raises:
        ServeError: It cannot be made.
    """
    own = own_folder(environ)
    if own not in roots:
        return
    try:
        own.mkdir(exist_ok=True)
    except OSError as error:
        msg = (
            f"cannot make {own} for the files of tasks: {error.strerror}; "
            f"name another folder by {_SETTING}"
        )
        raise ServeError(msg) from error
