"""Finds the paths of this program's code, which tasks must not write.

These are its packages and command, the checkout that they may come from, and the
interpreter with all folders that it imports from.
"""

import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from tesk_runtime.protected_paths import (
    ProtectedPath,
    ProtectedPaths,
    settings_paths,
    state_paths,
    system_paths,
)

# Shared with the whole machine: only Python's own folders in them belong to TESK.
_SYSTEM_PREFIXES = frozenset(map(Path, ("/", "/usr", "/usr/local")))
_CHECKOUT_MARKS = (".git", "uv.lock")


def find_protected_paths(home: Path, files: Iterable[str] = ()) -> ProtectedPaths:
    """Return all paths of this machine that no task reads or writes.

    Args:
        home: ``TESK_HOME``.
        files: Files that the settings name; empty names are ignored.
    """
    return ProtectedPaths(
        [
            *state_paths(home),
            *settings_paths(files),
            *own_code_paths(),
            *system_paths(),
        ]
    )


def own_code_paths() -> Iterator[ProtectedPath]:
    """Yield the folders of this program's code, and the programs that run it."""
    programs = (
        Path(sys.executable).resolve(),
        Path(sysconfig.get_path("scripts"), "tesk"),
    )
    for path in dict.fromkeys((*_folders(), *programs)):
        yield ProtectedPath(
            path=path, description=f"TESK's own program ({path})", is_code=True
        )


def _folders() -> Iterator[Path]:
    package = Path(__file__).resolve().parent
    yield package
    checkout = checkout_of(package)
    if checkout is not None:
        yield checkout
    for prefix in {Path(sys.prefix), Path(sys.base_prefix)}:
        if prefix not in _SYSTEM_PREFIXES:
            yield prefix
    for name in ("stdlib", "platstdlib", "purelib", "platlib"):
        yield Path(sysconfig.get_path(name))
    # With `python -P` the current folder is not among them.
    for entry in filter(None, sys.path):
        if Path(entry).is_dir():
            yield Path(entry).resolve()


def checkout_of(package: Path) -> Path | None:
    """Return the checkout in which ``package`` lies; None if it is installed."""
    if {"site-packages", "dist-packages"} & set(package.parts):
        return None
    for folder in package.parents:
        if any((folder / mark).exists() for mark in _CHECKOUT_MARKS):
            return folder
    return None
