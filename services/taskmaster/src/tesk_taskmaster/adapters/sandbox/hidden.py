"""All names under which a folder or file of this machine can be seen.

A bind mount shows a folder, or a part of it, a second time. The kernel's table of
mounts tells of each what it shows; so one folder has a name in every mount of its
file system that reaches it.
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
        root: What of the file system it shows.
        point: Where.
    """

    device: str
    root: str
    point: str


def hidden_names(folder: Path, mounts: str) -> list[str]:
    """Return the paths at which ``folder``, or a part of it, is seen.

    Args:
        folder: Absolute; or a file.
        mounts: As the kernel's ``mountinfo`` has it.

    Returns:
        Real paths of what exists, sorted; the folder's own among them.

    Source:
        Linux, ``Documentation/filesystems/proc.rst``, section 3.5.
    """
    real = os.path.realpath(folder)
    table = list(_parse(mounts))
    above = [mount for mount in table if is_within(real, mount.point)]
    names = {real}
    if above:
        # Of several at one point the last hides the others.
        own = max(reversed(above), key=lambda mount: len(mount.point))
        place = _join(own.root, real, own.point)
        names |= {
            name
            for mount in table
            if mount.device == own.device
            for name in _seen(place, mount)
        }
    return sorted(name for name in names if Path(name).exists())


def _seen(place: str, mount: _Mount) -> Iterator[str]:
    """Yield where ``mount`` shows ``place`` of its file system, or a part of it."""
    if is_within(place, mount.root):
        yield _join(mount.point, place, mount.root)
    elif is_within(mount.root, place):
        yield mount.point


def _join(base: str, path: str, above: str) -> str:
    """Return ``path`` with ``base`` in place of ``above``."""
    return f"{base.rstrip('/')}{path[len(above.rstrip('/')) :]}" or "/"


def _parse(mounts: str) -> Iterator[_Mount]:
    for line in mounts.splitlines():
        _, _, device, root, point, *_ = line.split(" ")
        yield _Mount(device, _plain(root), _plain(point))


def _plain(field: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), field)
