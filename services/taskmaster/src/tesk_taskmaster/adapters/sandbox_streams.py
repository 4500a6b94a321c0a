"""The three standard streams of a sandboxed command.

A redirect leads into the task volume or the throw-away root and is opened by
us, so no link that an earlier executor left leads anywhere else. What is not
redirected goes to files of the run. Bytes are never touched.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from tesk_model.paths import is_within, normalize
from tesk_runtime.beneath import Beneath
from tesk_taskmaster.domain.tails import TAIL_BYTES
from tesk_taskmaster.ports import ExecutorRun

_READ = os.O_RDONLY | os.O_NONBLOCK
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK


class StreamError(Exception):
    """A stream cannot be opened; the message names it, for the user."""


def root_folder(run: ExecutorRun) -> Path:
    """Return the throw-away root of a run."""
    return run.folder / "root"


def is_mounted(run: ExecutorRun, path: str) -> bool:
    """Tell whether ``path`` is in the task volume for this executor."""
    return any(is_within(path, mount.target) for mount in run.mounts)


def tree_of(run: ExecutorRun, path: str) -> Beneath:
    """Return the tree that holds a path of the executor."""
    return Beneath(run.volume if is_mounted(run, path) else root_folder(run))


@contextlib.contextmanager
def open_streams(run: ExecutorRun) -> Iterator[tuple[int, int, int]]:
    """Give open descriptors for stdin, stdout and stderr.

    Raises:
        StreamError: A redirect does not lead to a file.
    """
    executor = run.step.executor
    with contextlib.ExitStack() as stack:
        stdin = _open(run, "stdin", executor.stdin, _READ, os.devnull)
        stack.callback(os.close, stdin)
        stdout = _open(run, "stdout", executor.stdout, _WRITE, run.folder / "stdout")
        stack.callback(os.close, stdout)
        if executor.stderr and executor.stderr == executor.stdout:
            stderr = stdout  # one file, one position: as `>f 2>&1`
        else:
            stderr = _open(
                run, "stderr", executor.stderr, _WRITE, run.folder / "stderr"
            )
            stack.callback(os.close, stderr)
        yield stdin, stdout, stderr


def _open(
    run: ExecutorRun, name: str, path: str | None, flags: int, otherwise: Path | str
) -> int:
    if path is None:
        return os.open(otherwise, flags | os.O_CLOEXEC, 0o600)
    try:
        descriptor = tree_of(run, normalize(path)).open(normalize(path), flags)
    except OSError as error:
        raise StreamError(f"{name}: {path}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise StreamError(f"{name}: {path}: not a file")
    os.set_blocking(descriptor, True)
    return descriptor


def tail(run: ExecutorRun, path: str | None, otherwise: str) -> bytes:
    """Return the last 64 KiB of a stream so far."""
    try:
        if path is None:
            descriptor = os.open(run.folder / otherwise, os.O_RDONLY | os.O_CLOEXEC)
        else:
            descriptor = tree_of(run, normalize(path)).open(normalize(path), _READ)
    except OSError:
        return b""  # not begun, or removed by the command
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return b""
        start = max(0, status.st_size - TAIL_BYTES)
        return os.pread(descriptor, TAIL_BYTES, start)
    finally:
        os.close(descriptor)


def empty(run: ExecutorRun, path: str | None, otherwise: str) -> None:
    """Empty a stream's file."""
    with contextlib.suppress(OSError, StreamError):
        target = run.folder / otherwise
        os.close(_open(run, otherwise, path, _WRITE, target))
