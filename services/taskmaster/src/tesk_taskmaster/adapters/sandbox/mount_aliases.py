"""Finds all paths under which a folder or file of this machine is visible.

A bind mount shows a folder, or a part of it, a second time. The kernel's mount table
says what each mount shows.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tesk_model.paths import is_within

MOUNTS = Path("/proc/self/mountinfo")

_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class _Mount:
    """A line of the table.

    Attributes:
        device: Of the file system.
        root: Path within the file system.
        point: Mount point.
    """

    device: str
    root: str
    point: str


def find_aliases(folder: Path, mounts: str) -> list[str]:
    """Return the paths at which ``folder``, or a part of it, is visible.

    Args:
        folder: Absolute; or a file.
        mounts: Content of the kernel's ``mountinfo``.

    Returns:
        Real paths that exist, sorted; with that of the folder itself.

    Source:
        Linux, ``Documentation/filesystems/proc.rst``, section 3.5.
    """
    real = os.path.realpath(folder)
    table = list(_parse(mounts))
    above = [mount for mount in table if is_within(real, mount.point)]
    names = {real}
    if above:
        # Of several at one mount point the last hides the others.
        own = max(reversed(above), key=lambda mount: len(mount.point))
        path = _join(own.root, real, own.point)
        names |= {
            name
            for mount in table
            if mount.device == own.device
            for name in _paths_in(path, mount)
        }
    return sorted(name for name in names if Path(name).exists())


def _paths_in(path: str, mount: _Mount) -> Iterator[str]:
    """Yield where ``mount`` shows ``path`` of its file system, or a part of it."""
    if is_within(path, mount.root):
        yield _join(mount.point, path, mount.root)
    elif is_within(mount.root, path):
        yield mount.point


def _join(base: str, path: str, above: str) -> str:
    """Return ``path`` with ``base`` in place of ``above``."""
    return f"{base.rstrip('/')}{path[len(above.rstrip('/')) :]}" or "/"


def _parse(mounts: str) -> Iterator[_Mount]:
    for line in mounts.splitlines():
        _, _, device, root, point, *_ = line.split(" ")
        yield _Mount(device, _unescape(root), _unescape(point))


def _unescape(field: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), field)
