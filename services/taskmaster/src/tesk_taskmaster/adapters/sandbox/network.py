"""A network of its own for a sandbox, and a way out of it.

slirp4netns or pasta, where this machine has one, carries what the sandbox sends
through sockets of this machine. It joins the user namespace that owns the
sandbox's network namespace, and so needs no rights. It is bound to the leader of
the run (see ``detached``): it outlives the taskmaster and ends with the sandbox.
The command waits for it at the run's gate. The run of a taskmaster that is ended
meanwhile has no ``connected``: no command has begun, and it is started anew.
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

from tesk_taskmaster.adapters.detached import GATE, DetachedProcess, Launch
from tesk_taskmaster.adapters.sandbox.bubblewrap import (
    CLEAN_ENVIRON,
    NAMESPACES,
    NO_NETWORK,
    SMALLEST,
)
from tesk_taskmaster.adapters.sandbox.init import SandboxInit

_LOOK_AGAIN = 0.002
_READY_SECONDS = 20
_GET_USER_NAMESPACE = 0xB701  # NS_GET_USERNS of ioctl_ns(2)
_WORDS = 300  # of a program's complaint

# Numbers of the descriptors that the program gets.
_NETWORK, _USERS, _READY, _LIFE, _OWNER = 3, 4, 5, 6, 7
# The inner shell waits for the end of the leader, reparented and thus nobody's to
# reap; both are gone with it. It ends a leader ($0) whose taskmaster goes before
# the command may begin: without a successor it would wait for ever.
_SCRIPT = (
    f'("$@" {_LIFE}<&- {_OWNER}<&- & n=$!; exec {_NETWORK}<&- {_USERS}<&- {_READY}>&-; '
    f'read -r _ <&{_OWNER} || kill -9 -"$0"; read -r _ <&{_LIFE}; kill -9 $n) &'
)


class NetworkError(Exception):
    """A sandbox got no network; the message says why."""


def waits_for_network(folder: Path) -> bool:
    """Tell whether the command of a run has not begun for want of its network."""
    return (folder / "gate").exists() and not (folder / "connected").exists()


@dataclass(frozen=True, slots=True)
class UserNetwork:
    """One of the programs, and what sandboxes are told of it.

    Attributes:
        name: Of the program.
        nameserver: Address under which sandboxes reach this machine's.
        arguments: The command line.
    """

    name: str
    nameserver: str
    arguments: tuple[str, ...]

    def connect(self, process: DetachedProcess) -> None:
        """Give a network to the sandbox of a run, and let its command begin.

        Raises:
            NetworkError: The program does not do it.
        """
        init = _await_loopback(process)
        if init is not None:  # else its end tells more
            self._carry(process.folder, init)
            (process.folder / "connected").touch()
            process.open_gate()

    def _carry(self, folder: Path, init: int) -> None:
        with contextlib.ExitStack() as stack:
            try:
                given = self._descriptors(folder, init, stack)
                ready, told = os.pipe2(os.O_CLOEXEC)
                stack.callback(os.close, ready)
                given[_READY] = told
                given[_OWNER], tell = os.pipe2(os.O_CLOEXEC)
                stack.callback(_tell, tell)
                stack.callback(os.close, given[_OWNER])
                self._spawn(folder, given, close=lambda: os.close(told))
            except OSError as error:
                message = f"{self.name}: {error.strerror}"
                raise NetworkError(message) from error
            poll = select.poll()
            poll.register(ready, select.POLLIN)
            if not poll.poll(_READY_SECONDS * 1000) or not os.read(ready, 1):
                raise NetworkError(f"{self.name}: {_last_words(folder)}")

    def replace(self, folder: Path) -> Mapping[str, Path]:
        """Write what a run's sandbox shows instead of files of this machine."""
        lines = [f"nameserver {self.nameserver}"]
        with contextlib.suppress(OSError):
            text = Path("/etc/resolv.conf").read_text("utf-8", "replace")
            kept = ("search", "domain", "options")
            lines += [line for line in text.splitlines() if line.startswith(kept)]
        resolver = folder / "resolv.conf"
        resolver.write_text("\n".join(lines) + "\n", "utf-8")
        return {"/etc/resolv.conf": resolver}

    @staticmethod
    def _descriptors(
        folder: Path, init: int, stack: contextlib.ExitStack
    ) -> dict[int, int]:
        def kept(descriptor: int) -> int:
            stack.callback(os.close, descriptor)
            return descriptor

        network = kept(os.open(f"/proc/{init}/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        users = kept(fcntl.ioctl(network, _GET_USER_NAMESPACE))
        # Not to wait for a leader that is gone: then there is nothing to read.
        life = kept(
            os.open(folder / "life", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        )
        os.set_blocking(life, True)
        return {_NETWORK: network, _USERS: users, _LIFE: life}

    def _spawn(
        self, folder: Path, given: dict[int, int], close: Callable[[], None]
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
            wanted = {0: null, 1: log, 2: log, **given}
            actions: list[tuple[int, int, int]] = []
            for number, descriptor in wanted.items():
                # Copies above all targets first, so that none overwrites a source.
                high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, len(wanted))
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

    Earlier, the program would do so as well, and one of both would fail.

    Returns:
        Its pid; None if it ends before.

    Raises:
        NetworkError: It takes too long.
    """
    init = SandboxInit(process.folder)
    ends = time.monotonic() + _READY_SECONDS
    pause = threading.Event()
    while not _has_loopback(pid := init.status().init):
        if not process.is_alive():
            return None
        if time.monotonic() > ends:
            raise NetworkError("the sandbox has no loopback")
        pause.wait(_LOOK_AGAIN)  # neither tells anybody
    return pid


def _has_loopback(init: int | None) -> bool:
    if init is None:
        return False
    try:
        return "127.0.0.1" in Path(f"/proc/{init}/net/fib_trie").read_text("ascii")
    except OSError:
        return False


def check_network(network: UserNetwork, bubblewrap: Path) -> None:
    """Run the smallest sandbox with a network.

    Raises:
        NetworkError: It gets none.
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
            Launch(
                environ=CLEAN_ENVIRON,
                streams=(null, null, null),
                passed=(status,),
                gated=True,
                arguments=lambda lock, more: [
                    *(str(bubblewrap), *NAMESPACES, *NO_NETWORK, "--die-with-parent"),
                    *("--sync-fd", str(lock), "--json-status-fd", str(more[0])),
                    *("--block-fd", str(GATE), *SMALLEST),
                ],
            )
        )
        network.connect(process)


def user_networks(search_path: str) -> Iterator[UserNetwork]:
    """Yield what this machine has, the one that keeps more out first."""
    for make, name in ((_slirp4netns, "slirp4netns"), (_pasta, "pasta")):
        program = shutil.which(name, path=search_path)
        if program is not None:
            yield make(program)


def _slirp4netns(program: str) -> UserNetwork:
    """Give all of 169.254.0.0/16 to the sandbox.

    Addresses of a cloud's metadata are then those of neighbours that do not exist.

    Source:
        slirp4netns(1).
    """
    return UserNetwork(
        "slirp4netns",
        "169.254.0.3",
        (
            *(program, "--configure", "--mtu=65520", "--cidr=169.254.0.0/16"),
            *("--disable-host-loopback", "--enable-seccomp"),
            # It gives up root's rights, and cannot where nobody is root.
            *(("--enable-sandbox",) if os.geteuid() == 0 else ()),
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
            # As root it would become somebody who may not join the sandbox.
            *(("--runas", "0") if os.geteuid() == 0 else ()),
            *("--pid", f"/proc/self/fd/{_READY}"),
            *("--userns", f"/proc/self/fd/{_USERS}"),
            *("--netns", f"/proc/self/fd/{_NETWORK}"),
        ),
    )


def _tell(owner: int) -> None:
    """Say that this taskmaster looks after the run, whatever comes of it."""
    with contextlib.suppress(OSError):  # the run has ended
        os.write(owner, b"\n")
    os.close(owner)


def _last_words(folder: Path) -> str:
    words = (folder / "network").read_text("utf-8", "replace").split()
    return " ".join(words)[-_WORDS:] or "no answer in time"
