"""Builds bubblewrap's arguments for the paths of this machine in a sandbox.

The root is a temporary folder, so that outputs in it can be collected. Programs are
mounted read-only from this machine. A path among them that the task uses
(``/usr/local/reference``) needs a mount point, which a read-only directory cannot
get; so the directories above it are made in the temporary root, writable, with each
of their entries mounted separately.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tesk_model.paths import is_within
from tesk_taskmaster.domain.executor_run import HostMount

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOME = "/root"

_TREES = ("/usr", "/opt", "/nix", "/gnu")
_TOP_LINKS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# No /etc/shadow, no host keys: TESK may run as root, and so does the command.
_ETC = (
    *("alternatives", "bash.bashrc", "ca-certificates.conf", "debian_version"),
    *("fonts", "group", "host.conf", "hosts", "inputrc", "ld.so.cache"),
    *("ld.so.conf", "ld.so.conf.d", "locale.alias", "locale.conf", "localtime"),
    *("login.defs", "magic", "mime.types", "nsswitch.conf", "os-release", "passwd"),
    *("pki/ca-trust", "pki/tls/certs", "pki/tls/cert.pem", "pki/java", "profile"),
    *("protocols", "resolv.conf", "services", "shells", "ssl/cert.pem"),
    *("ssl/certs", "ssl/openssl.cnf", "crypto-policies", "terminfo", "timezone"),
)
# Configuration of languages that Linux distributions link to from /usr.
_ETC_LANGUAGES = ("java", "perl", "python", "R", "ImageMagick", "maven", "lua", "php")
# Run as root, even without capabilities a process could write here.
_KERNEL = (
    *("acpi", "asound", "bus", "fs", "irq", "mtrr", "pressure", "scsi"),
    *("sys", "sysrq-trigger"),
)
_WRITABLE = ("/etc", "/home", "/root", "/run", "/var/cache", "/var/lib", "/var/log")
_STICKY = ("/tmp", "/var/tmp")  # noqa: S108 - directories of the sandbox
_SECOND_VIEW = "/.host"
_MAX_MOUNTS = 200


@dataclass(slots=True)
class SandboxView:
    """Builds the arguments of bubblewrap for one sandbox.

    Attributes:
        root: The temporary root.
        programs: More folders of this machine that are shown.
        writable: Canonical directories that must be writable in it.
        concealed: Real paths of folders and files that must not be visible by any
            path.
        replaced: Files that are shown instead of those of this machine, by path.
        shown: Canonical paths of this machine or of mounts; set by ``build``.
    """

    root: Path
    programs: tuple[str, ...]
    writable: frozenset[str]
    concealed: frozenset[str] = frozenset()
    replaced: Mapping[str, Path] = field(default_factory=dict)
    shown: set[str] = field(default_factory=set)
    _targets: frozenset[str] = field(default=frozenset(), init=False)
    _binds: list[tuple[str, str]] = field(default_factory=list, init=False)

    def build(
        self, mounts: Sequence[HostMount], references: Sequence[HostMount] = ()
    ) -> list[str]:
        """Make the skeleton of the root and return the arguments.

        Args:
            mounts: Of the task volume.
            references: Read-only, perhaps within one of these.

        Raises:
            OSError: The skeleton cannot be made.
        """
        self._targets = frozenset(
            canonical(mount.target) for mount in (*mounts, *references)
        )
        self._make_skeleton()
        arguments = ["--bind", str(self.root), "/"]
        for path in shown_paths(self.programs):
            arguments += self._show(path)
        arguments += self._conceal()
        arguments += ["--proc", "/proc", "--dev", "/dev"]
        for name in _KERNEL:
            arguments += ["--ro-bind-try", f"/proc/{name}", f"/proc/{name}"]
        for mount in mounts:
            target = canonical(mount.target)
            arguments += ["--bind", str(mount.source), target]
            self.shown.add(target)
        for mount in references:
            target = canonical(mount.target)
            arguments += self._bind(str(mount.source), target)
            self.shown.add(target)
        for path in filter(os.path.isdir, self.programs):
            if any(is_within(path, target) for target in self._targets):
                arguments += self._bind(path, path)
        return arguments + self._conceal()

    def _bind(self, source: str, target: str) -> list[str]:
        self._binds.append((os.path.realpath(source), target))
        return ["--ro-bind", source, target]

    def _conceal(self) -> list[str]:
        """Cover the concealed paths below what was bound since the last call."""
        arguments: list[str] = []
        for source, target in self._binds:
            for path in sorted(self.concealed):
                if is_within(path, source) and Path(path).exists():
                    covered = target + path[len(source) :]
                    is_folder = Path(path).is_dir()
                    cover = ["--tmpfs"] if is_folder else ["--ro-bind", os.devnull]
                    arguments += [*cover, covered]
        self._binds.clear()
        return arguments

    def _make_skeleton(self) -> None:
        for path in (*_WRITABLE, *_STICKY):
            self._host_path(path).mkdir(parents=True, exist_ok=True)
        for path in _STICKY:
            self._host_path(path).chmod(0o1777)
        for path in _TOP_LINKS:
            if Path(path).is_symlink():
                self._link(path, str(Path(path).readlink()))
        for path in sorted(self.writable):
            self._host_path(path).mkdir(parents=True, exist_ok=True)

    def _show(self, path: str) -> list[str]:
        """Show one path of this machine: whole, or entry by entry if it is writable."""
        if path in self._targets or os.path.realpath(path) in self.concealed:
            return []
        if not self._is_writable(path):
            self.shown.add(path)
            return self._bind(str(self.replaced.get(path, path)), path)
        if Path(path).is_symlink() or not Path(path).is_dir():
            return []  # the task has a directory of its own there
        self._host_path(path).mkdir(parents=True, exist_ok=True)
        with os.scandir(path) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
        arguments: list[str] = []
        as_links = len(entries) > _MAX_MOUNTS
        if as_links:
            # A mount for each would take seconds; links lead to a second mount of
            # the same tree instead.
            shown = shown_paths(self.programs)
            tree = next(tree for tree in shown if is_within(path, tree))
            arguments += self._bind(tree, _SECOND_VIEW + tree)
        for entry in entries:
            if entry.path in self._targets:
                continue
            if entry.is_symlink():
                self._link(entry.path, str(Path(entry.path).readlink()))
            elif as_links and not self._is_writable(entry.path):
                self._link(entry.path, _SECOND_VIEW + entry.path)
            else:
                arguments += self._show(entry.path)
        return arguments

    def _is_writable(self, path: str) -> bool:
        return any(is_within(directory, path) for directory in self.writable)

    def _link(self, path: str, target: str) -> None:
        if path in self.writable:
            return
        self.shown.add(path)
        link = self._host_path(path)
        if not link.is_symlink():
            link.symlink_to(target)

    def _host_path(self, path: str) -> Path:
        return self.root / path.lstrip("/")


def shown_paths(programs: Iterable[str]) -> Iterator[str]:
    """Yield the paths of this machine that a sandbox shows."""
    for path in (*_TREES, *_TOP_LINKS, *programs):
        if Path(path).is_dir() and not Path(path).is_symlink():
            yield path
    for name in _ETC:
        if Path("/etc", name).exists():
            yield f"/etc/{name}"
    for name in sorted(os.listdir("/etc")):  # noqa: PTH208 - names are wanted
        if name.startswith(_ETC_LANGUAGES):
            yield f"/etc/{name}"


def search_path(programs: Iterable[str]) -> str:
    """Return the PATH of a sandbox that shows ``programs``."""
    folders = [f"{path}/bin" for path in programs if Path(path, "bin").is_dir()]
    return ":".join([*folders, PATH])


def canonical(path: str) -> str:
    """Follow the links at the top of this machine's tree (``/bin``)."""
    top, _, rest = path.lstrip("/").partition("/")
    if f"/{top}" not in _TOP_LINKS or not Path("/", top).is_symlink():
        return path
    target = "/" + str(Path("/", top).readlink()).strip("/")
    return f"{target}/{rest}" if rest else target


def writable_directories(directories: Iterable[str]) -> frozenset[str]:
    """Return which of these lie among paths of this machine."""
    trees = (*_TREES, *_TOP_LINKS, "/etc")
    return frozenset(
        directory
        for directory in map(canonical, directories)
        if any(is_within(directory, tree) for tree in trees)
    )
