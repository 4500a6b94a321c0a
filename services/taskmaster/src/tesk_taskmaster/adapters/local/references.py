"""Finds the folders and files of references on this machine, for bind mounts.

No link of a reference leads out of it: what it leads to is found here, and the engines
mount that. A link of the task volume must not lead a mount elsewhere.
"""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tesk_model.paths import is_within, parent
from tesk_model.reasons import ReasonCode
from tesk_runtime.rooted_files import RootedFiles
from tesk_taskmaster.domain.executor_run import HostMount
from tesk_taskmaster.domain.plan import ExecutorStep
from tesk_taskmaster.domain.references import Reference
from tesk_taskmaster.ports import StepFailedError


@dataclass(frozen=True, slots=True)
class ReferenceFolders:
    """The references of this machine: folders by name."""

    folders: Mapping[str, Path]

    def mounts(self, references: Sequence[Reference]) -> tuple[HostMount, ...]:
        """Return the mounts of references, in order of path.

        Raises:
            StepFailedError: One does not exist, or has another type.
        """
        return tuple(
            HostMount(
                source=self._source(reference),
                target=reference.path,
                is_file=reference.is_file,
            )
            for reference in references
        )

    def _source(self, reference: Reference) -> Path:
        folder = self.folders.get(reference.source.name)
        if folder is None:
            raise _failure(reference, "this machine has no such reference (any more)")
        try:
            root = folder.resolve(strict=True)
            source = (root / reference.source.path).resolve(strict=True)
            status = source.stat()
        except (FileNotFoundError, NotADirectoryError):
            cause = f"the reference has no such {reference.kind}"
            raise _failure(reference, cause) from None
        except (OSError, RuntimeError) as error:  # the latter: links in a circle
            cause = getattr(error, "strerror", "") or str(error)
            raise _failure(reference, f"cannot be read: {cause}") from error
        if not source.is_relative_to(root):
            raise _failure(reference, "is a link that leads out of the reference")
        if problem := _kind_problem(reference, status.st_mode):
            raise _failure(reference, problem)
        return source


NO_REFERENCES: Final = ReferenceFolders(MappingProxyType({}))


def make_mount_points(step: ExecutorStep, volume: Path) -> None:
    """Make where references are mounted within the task volume.

    Made here, since an engine would follow a link that an earlier executor left.

    Raises:
        StepFailedError: A link, or something of another type, is there.
        OSError: It cannot be made.
    """
    tree = RootedFiles(volume)
    for reference in step.references:
        path = reference.path
        if not any(is_within(path, mount.path) for mount in step.mounts):
            continue
        if any(map(partial(_is_link, tree), _with_parents(path))):
            raise _failure(reference, f"{path} was replaced by a link")
        if not reference.is_file:
            os.close(tree.open_directory(path, create=True))
            continue
        try:
            os.close(tree.open(path, os.O_RDONLY | os.O_CREAT | os.O_NONBLOCK))
        except IsADirectoryError as error:
            cause = f"the task has a directory at {path}"
            raise _failure(reference, cause) from error


def _kind_problem(reference: Reference, mode: int) -> str:
    """Return what is wrong with the kind of what is there; "" if nothing is."""
    if (stat.S_ISREG if reference.is_file else stat.S_ISDIR)(mode):
        return ""
    if stat.S_ISDIR(mode):
        return "is a directory; give the input type DIRECTORY"
    if stat.S_ISREG(mode):
        return "is a file; give the input type FILE"
    return f"is not a {reference.kind}"


def _with_parents(path: str) -> Iterator[str]:
    while path != "/":
        yield path
        path = parent(path)


def _is_link(tree: RootedFiles, path: str) -> bool:
    try:
        return tree.is_link(path)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _failure(reference: Reference, cause: str) -> StepFailedError:
    return StepFailedError(
        f"{reference.title}: {cause}", code=ReasonCode.TRANSFER_FAILED
    )
