"""Opens the standard streams of a sandboxed command.

A redirect is opened within the task volume or the temporary root, so that no link of
an earlier executor leads out of it. Other streams go to files of the run. Bytes are
not changed.

The command writes into pipes, which are copied to the ends of these files: a process
that opens ``/dev/stdout`` again would truncate or overwrite a file.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tesk_model.paths import is_within, normalize
from tesk_runtime.rooted_files import RootedFiles
from tesk_taskmaster.domain.executor_run import ExecutorRun
from tesk_taskmaster.domain.tails import TAIL_BYTES

_READ = os.O_RDONLY | os.O_NONBLOCK
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NONBLOCK


@dataclass(frozen=True, slots=True)
class Streams:
    """Open descriptors of a command.

    Attributes:
        ends: Its stdin, stdout and stderr.
        copies: The pipes of stdout and stderr with their files; one pair if both
            are one file.
    """

    ends: tuple[int, int, int]
    copies: tuple[tuple[int, int], ...]


class StreamError(Exception):
    """A stream cannot be opened; the message names it, for the user."""


def root_folder(run: ExecutorRun) -> Path:
    """Return the temporary root of a run."""
    return run.folder / "root"


def is_mounted(run: ExecutorRun, path: str) -> bool:
    """Tell whether ``path`` is in a mount of the task volume, or in a reference."""
    mounts = (*run.mounts, *run.references)
    return any(is_within(path, mount.target) for mount in mounts)


def is_reference(run: ExecutorRun, path: str) -> bool:
    """Tell whether ``path`` is in a reference."""
    return any(is_within(path, mount.target) for mount in run.references)


def find_place(run: ExecutorRun, path: str) -> tuple[RootedFiles, str]:
    """Return the tree that holds a path of the executor, and the path there."""
    for mount in run.references:
        if is_within(path, mount.target) and mount.is_file:
            return RootedFiles(mount.source.parent), f"/{mount.source.name}"
        if is_within(path, mount.target):
            return RootedFiles(mount.source), path[len(mount.target) :] or "/"
    return RootedFiles(run.volume if is_mounted(run, path) else root_folder(run)), path


@contextlib.contextmanager
def open_streams(run: ExecutorRun) -> Iterator[Streams]:
    """Open the streams of a command; all are closed afterwards.

    Raises:
        StreamError: A redirect is not to a file.
    """
    executor = run.step.executor
    with contextlib.ExitStack() as stack:

        def opened(name: str, path: str | None, flags: int, default: Path) -> int:
            descriptor = _open(run, name, path, flags, default)
            stack.callback(os.close, descriptor)
            return descriptor

        def copied(name: str, path: str | None) -> tuple[int, tuple[int, int]]:
            target = opened(name, path, _WRITE, run.folder / name)
            source, end = os.pipe()
            stack.callback(os.close, source)
            stack.callback(os.close, end)
            return end, (source, target)

        stdin = opened("stdin", executor.stdin, _READ, Path(os.devnull))
        stdout, copy = copied("stdout", executor.stdout)
        if executor.stderr and executor.stderr == executor.stdout:
            yield Streams((stdin, stdout, stdout), (copy,))  # as `>f 2>&1`
        else:
            stderr, other = copied("stderr", executor.stderr)
            yield Streams((stdin, stdout, stderr), (copy, other))


def _open(
    run: ExecutorRun, name: str, path: str | None, flags: int, default: Path | str
) -> int:
    if path is None:
        return os.open(default, flags | os.O_CLOEXEC, 0o600)
    try:
        tree, place = find_place(run, normalize(path))
        if name == "stdin" and run.step.stdin_in_volume:
            tree = _tree_with(path, RootedFiles(run.volume), tree)
        descriptor = tree.open(place, flags)
    except OSError as error:
        raise StreamError(f"{name}: {path}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise StreamError(f"{name}: {path}: not a file")
    os.set_blocking(descriptor, True)
    return descriptor


def _tree_with(path: str, first: RootedFiles, other: RootedFiles) -> RootedFiles:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        first.stat(normalize(path))
        return first
    return other


def tail(run: ExecutorRun, path: str | None, name: str) -> bytes:
    """Return the last 64 KiB of a stream so far."""
    try:
        if path is None:
            descriptor = os.open(run.folder / name, os.O_RDONLY | os.O_CLOEXEC)
        else:
            tree, place = find_place(run, normalize(path))
            descriptor = tree.open(place, _READ)
    except OSError:
        return b""  # not there yet, or removed by the command
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return b""
        start = max(0, status.st_size - TAIL_BYTES)
        return os.pread(descriptor, TAIL_BYTES, start)
    finally:
        os.close(descriptor)


def empty(run: ExecutorRun, path: str | None, name: str) -> None:
    """Empty a stream's file."""
    with contextlib.suppress(OSError, StreamError):
        target = run.folder / name
        os.close(_open(run, name, path, _WRITE, target))
