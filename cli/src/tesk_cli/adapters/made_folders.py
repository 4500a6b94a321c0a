"""Makes the folders of a download, and removes those that stay empty when it fails."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class MadeFolders:
    """Folders that were made now, the deepest first."""

    paths: tuple[Path, ...]

    def remove_empty(self) -> None:
        """Remove them, and what was made in the deepest, where no files are."""
        for path in self.paths[:1]:
            for below, _, _ in os.walk(path, topdown=False):
                with suppress(OSError):  # not empty
                    Path(below).rmdir()
        for path in self.paths[1:]:
            with suppress(OSError):
                path.rmdir()


def make_folders(path: Path) -> MadeFolders:
    """Make a folder and those above it that are missing.

    Raises:
        OSError: They cannot be made.
    """
    missing = [each for each in (path, *path.parents) if not each.exists()]
    made = MadeFolders(tuple(missing))
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        made.remove_empty()
        raise
    return made
