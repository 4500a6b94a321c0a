"""Manages the state folder of a server on this machine, and its locks.

There are two locks. ``serve.lock`` is held by the supervisor: one server for
each folder. ``services.lock`` is inherited by the services: after a supervisor
was killed, the next one waits until the last of them has ended, so that never
two schedulers write to one database. The kernel frees both, whatever happens.
"""

import hashlib
import json
import os
import secrets
import tempfile
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from tesk_cli.serve.errors import HomeInUseError, ServeError
from tesk_runtime.file_lock import FileLock

# The kernel's limit for the path of a unix socket is 107 bytes.
_LONGEST_SOCKET_PATH = 100
_LOCK_RETRY_INTERVAL = 0.05
_PROBE_LOCK_TIMEOUT = timedelta(seconds=0.3)


@dataclass(frozen=True, slots=True)
class RunningServer:
    """The server that ``serve.json`` names."""

    url: str
    pid: int


@dataclass(slots=True)
class StateHome:
    """One state folder; ``path`` is absolute."""

    path: Path
    _locks: list[FileLock] = field(default_factory=list)

    @property
    def token_file(self) -> Path:
        """File with the token of calls between services."""
        return self.path / "token"

    @property
    def logs(self) -> Path:
        """Folder of the logs of the services."""
        return self.path / "logs"

    @property
    def services_lock(self) -> int:
        """Descriptor that every service inherits; valid after ``acquire``."""
        return self._locks[-1].descriptor

    def prepare(self) -> None:
        """Create what is missing, readable by this user alone.

        Raises:
            ServeError: The folder cannot be written.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
            self.logs.mkdir(mode=0o700, exist_ok=True)
            _write_once(self.token_file, secrets.token_urlsafe(32))
        except OSError as error:
            msg = (
                f"cannot write the state folder {self.path}: {error.strerror or error};"
                " set TESK_HOME to a folder that you own"
            )
            raise ServeError(msg) from error

    def acquire(self, timeout: timedelta = timedelta(seconds=60)) -> None:
        """Take the folder for this process, until it ends or ``release``.

        Args:
            timeout: How long to wait for services of a server that was killed.

        Raises:
            HomeInUseError: A server runs here.
            ServeError: Services of an earlier server do not end.
        """
        # A process in ``running`` holds the lock for a moment.
        if not self._lock_within("serve.lock", _PROBE_LOCK_TIMEOUT):
            raise self._in_use()
        if not self._lock_within("services.lock", timeout):
            self.release()
            msg = f"services of an earlier server on {self.path} do not end"
            raise ServeError(msg)

    def release(self) -> None:
        """Release the folder."""
        while self._locks:
            self._locks.pop().release()

    def announce(self, server: RunningServer) -> None:
        """Write the url of the server for other processes of this user."""
        text = json.dumps({"url": server.url, "pid": server.pid}) + "\n"
        partial = self.path / f"serve.json.{server.pid}"
        partial.write_text(text, encoding="utf-8")
        partial.replace(self.path / "serve.json")

    def withdraw(self) -> None:
        """Undo ``announce``."""
        (self.path / "serve.json").unlink(missing_ok=True)

    def running(self) -> RunningServer | None:
        """Return the server that runs here, if one does and is ready."""
        if not self.path.is_dir():
            return None
        try:
            if self._lock("serve.lock"):
                self._locks.pop().release()
                return None
        except OSError:
            return None  # not our folder, so not our server
        return self._announced()

    def socket_path(self) -> Path:
        """Return where the scheduler listens: the same at each start.

        A path that is too long for a socket is replaced by one in a private
        folder for temporary files.

        Raises:
            ServeError: That folder belongs to another user.
        """
        path = self.path / "scheduler.sock"
        if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
            return path
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"tesk-{os.getuid()}-{digest}"
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if (
            status.st_uid != os.getuid()
            or status.st_mode & 0o077
            or folder.is_symlink()
        ):
            msg = f"{folder} must be a folder that only this user can enter"
            raise ServeError(msg)
        return folder / "scheduler.sock"

    def storage_socket_path(self) -> Path:
        """Return where checks of storages listen, beside the scheduler.

        Raises:
            ServeError: As ``socket_path``.
        """
        return self.socket_path().with_name("filer.sock")

    def _lock_within(self, name: str, timeout: timedelta) -> bool:
        deadline = time.monotonic() + timeout.total_seconds()
        while not self._lock(name):
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOCK_RETRY_INTERVAL)
        return True

    def _lock(self, name: str) -> bool:
        lock = FileLock(self.path / name)
        if not lock.try_acquire():
            return False
        self._locks.append(lock)
        return True

    def _announced(self) -> RunningServer | None:
        try:
            document = json.loads((self.path / "serve.json").read_bytes())
            return RunningServer(url=str(document["url"]), pid=int(document["pid"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _in_use(self) -> HomeInUseError:
        server = self._announced()
        if server is None:
            msg = f"another server is starting on the state folder {self.path}"
            return HomeInUseError(msg, "")
        msg = (
            f"a server runs on the state folder {self.path} already: {server.url},"
            f" process {server.pid}; set TESK_HOME to another folder for a second one"
        )
        return HomeInUseError(msg, server.url)


def _write_once(path: Path, text: str) -> None:
    """Create ``path`` with ``text`` for this user alone, all or nothing."""
    if path.exists():
        return
    descriptor, partial = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(partial, path)
    except FileExistsError:
        return  # another process was faster; its token is as good
    finally:
        Path(partial).unlink()
