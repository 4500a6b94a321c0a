"""Connects the network namespace of a sandbox by slirp4netns or pasta.

The program forwards traffic of the sandbox through sockets of this machine. It joins
the user namespace that owns the network namespace, so it needs no privileges. It
is bound to the leader of the run (see ``detached_process``): it outlives the
taskmaster and ends with the sandbox. The command waits for it at the run's gate. If
the taskmaster ends meanwhile, there is no file ``connected``: the command has not
begun, and the run is started anew.
"""

import contextlib
import fcntl
import os
import select
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tesk_taskmaster.adapters.detached_process import (
    GATE_FD,
    DetachedProcess,
    LaunchSpec,
)
from tesk_taskmaster.adapters.sandbox.bubblewrap import (
    CLEAN_ENVIRON,
    MINIMAL_SANDBOX,
    NAMESPACES,
    NO_NETWORK,
)
from tesk_taskmaster.adapters.sandbox.init import SandboxInit

_POLL_SECONDS = 0.002
_READY_TIMEOUT = 20
_GET_USER_NAMESPACE = 0xB701  # NS_GET_USERNS of ioctl_ns(2)
_MAX_MESSAGE = 300  # characters of a program's output

# Numbers of the descriptors that the program gets.
_NETWORK, _USERS, _READY, _LIFE, _OWNER = 3, 4, 5, 6, 7
# The inner shell, reparented to process 1, waits for the end of the leader and kills
# the program. It kills a leader ($0) whose taskmaster ends before the command may
# begin: without a successor the command would wait for ever.
_SCRIPT = (
    f'("$@" {_LIFE}<&- {_OWNER}<&- & n=$!; exec {_NETWORK}<&- {_USERS}<&- {_READY}>&-; '
    f'read -r _ <&{_OWNER} || kill -9 -"$0"; read -r _ <&{_LIFE}; kill -9 $n) &'
)


class NetworkError(Exception):
    """A sandbox got no network; the message says why."""


def waits_for_network(folder: Path) -> bool:
    """Tell whether the command of a run still waits for its network."""
    return (folder / "gate").exists() and not (folder / "connected").exists()


@dataclass(frozen=True, slots=True)
class UserNetwork:
    """A program that connects sandboxes, and its configuration.

    Attributes:
        name: Of the program.
        nameserver: Address of the name server within sandboxes.
        arguments: The command line.
    """

    name: str
    nameserver: str
    arguments: tuple[str, ...]

    def connect(self, process: DetachedProcess) -> None:
        """Connect the sandbox of a run, and let its command begin.

        Raises:
            NetworkError: The program failed.
        """
        init = _await_loopback(process)
        if init is not None:  # else its result says more
            self._run_program(process.folder, init)
            (process.folder / "connected").touch()
            process.open_gate()

    def _run_program(self, folder: Path, init: int) -> None:
        with contextlib.ExitStack() as stack:
            try:
                descriptors = self._descriptors(folder, init, stack)
                ready, ready_end = os.pipe2(os.O_CLOEXEC)
                stack.callback(os.close, ready)
                descriptors[_READY] = ready_end
                descriptors[_OWNER], owner_end = os.pipe2(os.O_CLOEXEC)
                stack.callback(_confirm_owner, owner_end)
                stack.callback(os.close, descriptors[_OWNER])
                self._spawn(folder, descriptors, close=lambda: os.close(ready_end))
            except OSError as error:
                message = f"{self.name}: {error.strerror}"
                raise NetworkError(message) from error
            poll = select.poll()
            poll.register(ready, select.POLLIN)
            if not poll.poll(_READY_TIMEOUT * 1000) or not os.read(ready, 1):
                raise NetworkError(f"{self.name}: {_last_output(folder)}")

    def replacements(self, folder: Path) -> Mapping[str, Path]:
        """Write the files that a sandbox shows instead of those of this machine."""
        lines = [f"nameserver {self.nameserver}"]
        with contextlib.suppress(OSError):
            text = Path("/etc/resolv.conf").read_text("utf-8", "replace")
            options = ("search", "domain", "options")
            lines += [line for line in text.splitlines() if line.startswith(options)]
        resolver = folder / "resolv.conf"
        resolver.write_text("\n".join(lines) + "\n", "utf-8")
        return {"/etc/resolv.conf": resolver}

    @staticmethod
    def _descriptors(
        folder: Path, init: int, stack: contextlib.ExitStack
    ) -> dict[int, int]:
        def closed_later(descriptor: int) -> int:
            stack.callback(os.close, descriptor)
            return descriptor

        network = closed_later(
            os.open(f"/proc/{init}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        )
        users = closed_later(fcntl.ioctl(network, _GET_USER_NAMESPACE))
        # Does not block if the leader has ended: then there is nothing to read.
        life = closed_later(
            os.open(folder / "life", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        )
        os.set_blocking(life, True)
        return {_NETWORK: network, _USERS: users, _LIFE: life}

    def _spawn(
        self, folder: Path, descriptors: dict[int, int], close: Callable[[], None]
    ) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(close)
            log = os.open(
                folder / "network",
                os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC,
                0o600,
            )
            stack.callback(os.close, log)
            null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            stack.callback(os.close, null)
            leader = (folder / "pid").read_text("ascii").strip()
            inherited = {0: null, 1: log, 2: log, **descriptors}
            actions: list[tuple[int, int, int]] = []
            for number, descriptor in inherited.items():
                # Copies above all targets first, so that none overwrites a source.
                high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, len(inherited))
                stack.callback(os.close, high)
                actions.append((os.POSIX_SPAWN_DUP2, high, number))
            pid = os.posix_spawn(
                "/bin/sh",
                ["sh", "-c", _SCRIPT, leader, *self.arguments],
                {"PATH": os.defpath, "LC_ALL": "C"},
                file_actions=actions,
                setsid=True,
                setsigmask=[],
                setsigdef=[signal.SIGPIPE],
            )
            os.waitpid(pid, 0)


def _await_loopback(process: DetachedProcess) -> int | None:
    """Wait for the sandbox's first process, and until it has set up its loopback.

    Before that, the program would set it up as well, and one of both would fail.

    Returns:
        Its pid; None if it has ended.

    Raises:
        NetworkError: It takes too long.
    """
    init = SandboxInit(process.folder)
    ends = time.monotonic() + _READY_TIMEOUT
    pause = threading.Event()
    while not _has_loopback(pid := init.status().init):
        if not process.is_alive():
            return None
        if time.monotonic() > ends:
            raise NetworkError("the sandbox has no loopback")
        pause.wait(_POLL_SECONDS)  # there is no event to wait for
    return pid


def _has_loopback(init: int | None) -> bool:
    if init is None:
        return False
    try:
        return "127.0.0.1" in Path(f"/proc/{init}/net/fib_trie").read_text("ascii")
    except OSError:
        return False


def check_network(network: UserNetwork, bubblewrap: Path) -> None:
    """Run a minimal sandbox with a network.

    Raises:
        NetworkError: It cannot be connected.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        process = DetachedProcess(Path(folder))
        status = os.open(
            process.folder / "status", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        stack.callback(os.close, status)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        stack.callback(os.close, null)
        stack.callback(process.kill)
        process.start(
            LaunchSpec(
                environ=CLEAN_ENVIRON,
                streams=(null, null, null),
                pass_fds=(status,),
                gated=True,
                arguments=lambda lock, more: [
                    *(str(bubblewrap), *NAMESPACES, *NO_NETWORK, "--die-with-parent"),
                    *("--sync-fd", str(lock), "--json-status-fd", str(more[0])),
                    *("--block-fd", str(GATE_FD), *MINIMAL_SANDBOX),
                ],
            )
        )
        network.connect(process)


def user_networks(search_path: str) -> Iterator[UserNetwork]:
    """Yield the programs of this machine, the more restrictive one first."""
    for make, name in ((_slirp4netns, "slirp4netns"), (_pasta, "pasta")):
        program = shutil.which(name, path=search_path)
        if program is not None:
            yield make(program)


def _slirp4netns(program: str) -> UserNetwork:
    """Use 169.254.0.0/16 as the sandbox's network.

    The addresses of a cloud's metadata service are then unreachable.

    Source:
        slirp4netns(1).
    """
    # With its sandbox it drops the privileges of root, and fails without them. It also
    # unmounts what it does not need, and a shared mount is then gone for everybody:
    # volumes of pods, networks of containers. So it gets mounts of its own.
    unshare = shutil.which("unshare", path=os.defpath) if os.geteuid() == 0 else None
    return UserNetwork(
        "slirp4netns",
        "169.254.0.3",
        (
            *((unshare, "--mount") if unshare else ()),
            *(program, "--configure", "--mtu=65520", "--cidr=169.254.0.0/16"),
            *("--disable-host-loopback", "--enable-seccomp"),
            *(("--enable-sandbox",) if unshare else ()),
            *(f"--ready-fd={_READY}", f"--userns-path=/proc/self/fd/{_USERS}"),
            *("--netns-type=path", f"/proc/self/fd/{_NETWORK}", "tap0"),
        ),
    )


def _pasta(program: str) -> UserNetwork:
    """Forward no port in any direction, and nothing to this machine's loopback.

    Source:
        pasta(1).
    """
    nameserver = "169.254.1.1"
    closed = [part for way in "tuTU" for part in (f"-{way}", "none")]
    return UserNetwork(
        "pasta",
        nameserver,
        (
            *(program, "--foreground", "--quiet", "--config-net", "--ipv4-only"),
            *("--no-map-gw", "--dns-forward", nameserver, *closed),
            # As root it would switch to a user who may not join the sandbox.
            *(("--runas", "0") if os.geteuid() == 0 else ()),
            *("--pid", f"/proc/self/fd/{_READY}"),
            *("--userns", f"/proc/self/fd/{_USERS}"),
            *("--netns", f"/proc/self/fd/{_NETWORK}"),
        ),
    )


def _confirm_owner(owner: int) -> None:
    """Confirm that this taskmaster handles the run, whatever its result."""
    with contextlib.suppress(OSError):  # the run has ended
        os.write(owner, b"\n")
    os.close(owner)


def _last_output(folder: Path) -> str:
    output = (folder / "network").read_text("utf-8", "replace").split()
    return " ".join(output)[-_MAX_MESSAGE:] or "no answer in time"
