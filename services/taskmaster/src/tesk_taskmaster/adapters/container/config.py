"""Builds the configuration of an executor's container. Pure.

The image's ENTRYPOINT and CMD are replaced by the launcher and the user's
literal command; environment, user and working directory are the image's, unless
the executor sets them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tesk_model.names import Attempt
from tesk_model.paths import OWN_FOLDER
from tesk_model.task import TaskId
from tesk_taskmaster.adapters.launcher_options import (
    LAUNCHER_TARGET,
    VOLUME_TARGET,
    launcher_options,
)
from tesk_taskmaster.domain.executor_run import ExecutorRun
from tesk_taskmaster.ports import StepFailedError

Network = Literal["none", "loopback-free", "host"]

HOME_LABEL = "tesk.home"
TASK_LABEL = "tesk.task"
ATTEMPT_LABEL = "tesk.attempt"
STEP_LABEL = "tesk.step"

_NETAVARK_2 = 6  # the first Podman that requires it

REPORT_TARGET = f"{OWN_FOLDER}/report"

SECURITY_OPTIONS = [
    "no-new-privileges",
    # SELinux refuses bind mounts of a home directory otherwise, and TESK must not
    # relabel the user's files.
    "label=disable",
]

_NANO = 10**9
_MIN_CPU = 0.01  # cores; Docker refuses less
_MIN_SHARED = 64 * 1024**2  # bytes of /dev/shm
_MAX_SHARED = 16 * 1024**3
_MIN_MEMORY = 8 * 1024**2  # Docker refuses less than 6 MiB


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRules:
    """How a container is confined.

    Attributes:
        max_processes: Processes and threads in one container; 0: any number.
        dropped_capabilities: Of the engine's defaults.
        network: ``none``, ``host`` or the name of one.
    """

    max_processes: int = 0
    dropped_capabilities: tuple[str, ...] = ()
    network: str = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOptions:
    """The operator's settings for executors.

    Attributes:
        network: See ``AttemptNetworks``.
        addresses: Likewise.
        max_processes: See ``ContainerRules``.
        dropped_capabilities: Likewise.
    """

    network: Network = "loopback-free"
    addresses: str = "198.18.0.0/15"
    max_processes: int = 0
    dropped_capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineTraits:
    """Product and features of the engine, from its ``/info`` and ``/version``.

    Attributes:
        cpus: Of the engine's machine; the maximum for a container.
        limits_cpu: It can enforce a cpu limit (rootless engines often cannot).
        limits_memory: Likewise for memory.
        limits_processes: Likewise for the number of processes.
    """

    product: str
    version: str
    cpus: int
    limits_cpu: bool
    limits_memory: bool
    limits_processes: bool = True

    @property
    def is_podman(self) -> bool:
        """Tell whether this is Podman, whose logs are files that we can read."""
        return "podman" in self.product.lower()

    @property
    def isolation_lapses(self) -> bool:
        """Tell whether separate networks may reach each other for a while.

        Source:
            netavark below 2.0, which Podman below 6 has, with iptables: what keeps
            networks apart is removed from the chain FORWARD with any network's last
            container, and comes back with any network's next one
            (``src/firewall/varktables/types.rs``). With nftables it stays.
        """
        major = self.version.partition(".")[0]
        return self.is_podman and not (major.isdigit() and int(major) >= _NETAVARK_2)

    def notices(self) -> tuple[str, ...]:
        """Return which limits are not enforced here, for ``system_logs``."""
        missing = [
            kind
            for kind, is_enforced in (
                ("cpu", self.limits_cpu),
                ("memory", self.limits_memory),
                ("processes", self.limits_processes),
            )
            if not is_enforced
        ]
        if not missing:
            return ()
        limits = " and ".join(missing)
        engine = f"{self.product} {self.version}"
        return (f"{engine} cannot enforce {limits} limits for this user",)


def run_labels(run: ExecutorRun, home: Path) -> dict[str, str]:
    """Return the labels of a run's container."""
    return attempt_labels(run.attempt, home) | {STEP_LABEL: run.step.name}


def attempt_labels(attempt: Attempt, home: Path) -> dict[str, str]:
    """Return the labels that all containers of an attempt share."""
    return {
        HOME_LABEL: str(home),
        TASK_LABEL: attempt.task_id,
        ATTEMPT_LABEL: str(attempt.number),
    }


def labelled_attempt(labels: Mapping[str, str]) -> Attempt | None:
    """Return the attempt in labels; None if there is none."""
    task, number = labels.get(TASK_LABEL), labels.get(ATTEMPT_LABEL, "")
    return Attempt(TaskId(task), int(number)) if task and number.isdigit() else None


def bind(source: Path, target: str, *, read_only: bool = False) -> dict[str, Any]:
    """Return a bind mount, which fails if ``source`` does not exist."""
    return {
        "Type": "bind",
        "Source": str(source),
        "Target": target,
        "ReadOnly": read_only,
    }


def container_config(
    run: ExecutorRun,
    *,
    launcher: Path,
    report: Path,
    home: Path,
    traits: EngineTraits,
    rules: ContainerRules | None = None,
) -> dict[str, Any]:
    """Return the body of ``POST /containers/create`` for a run.

    Args:
        run: The executor.
        launcher: The launcher's binary on this machine.
        report: The file on this machine that the launcher reports into.
        home: Names the TESK that the container belongs to.
        traits: Of the engine.
        rules: None: no network, and else the engine's defaults.

    Raises:
        StepFailedError: The engine cannot mount a path of this name.

    Source:
        Docker Engine API 1.41, ``ContainerCreate``.
    """
    mounts = [
        bind(launcher, LAUNCHER_TARGET, read_only=True),
        bind(report, REPORT_TARGET),
        *(bind(mount.source, mount.target) for mount in run.mounts),
        *(bind(mount.source, mount.target, read_only=True) for mount in run.references),
    ]
    if run.step.reaches_volume:
        mounts.append(bind(run.volume, VOLUME_TARGET))
    workdir = run.step.unmounted_workdir
    return {
        **({"WorkingDir": workdir} if workdir else {}),
        "Image": run.step.executor.image,
        "Entrypoint": [LAUNCHER_TARGET],
        "Cmd": [
            *launcher_options(run.step, volume=VOLUME_TARGET, outputs=run.outputs),
            *("--report", REPORT_TARGET, "--"),
            *run.step.executor.command,
        ],
        "Env": [f"{key}={value}" for key, value in run.step.executor.env.items()],
        "Labels": run_labels(run, home),
        # An image may want another signal; a cancel is always SIGTERM.
        "StopSignal": "SIGTERM",
        # The image's health check would run beside the user's command.
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            **_mount_config(mounts, traits),
            "SecurityOpt": SECURITY_OPTIONS,
            "RestartPolicy": {"Name": "no"},
            "AutoRemove": False,
            "LogConfig": log_config(traits),
            **_limits(run, traits),
            **_confinement(rules or ContainerRules(), traits),
        },
    }


def log_config(traits: EngineTraits) -> dict[str, Any]:
    """Return a log driver whose end can be read.

    Docker's keeps at most 32 MiB, so that a program cannot fill the disk. Podman's
    has no rotation that keeps the end.
    """
    if traits.is_podman:
        return {"Type": "k8s-file"}
    return {"Type": "json-file", "Config": {"max-size": "16m", "max-file": "2"}}


def _mount_config(
    mounts: Sequence[Mapping[str, Any]], traits: EngineTraits
) -> dict[str, Any]:
    """Return bind mounts in a form that the engine parses correctly.

    Docker takes any name in ``Mounts``. Podman parses these as CSV, and splits
    ``Binds`` at colons.
    """
    special = [mount for mount in mounts if traits.is_podman and _has(mount, ',"\r\n')]
    if not special:
        return {"Mounts": mounts}
    for mount in special:
        if _has(mount, ":"):
            raise StepFailedError(
                f"{mount['Target']} cannot be mounted: Podman takes no path with a "
                "colon and a comma or quotation mark"
            )
    return {
        "Mounts": [mount for mount in mounts if mount not in special],
        "Binds": [
            f"{mount['Source']}:{mount['Target']}:{'ro' if mount['ReadOnly'] else 'rw'}"
            for mount in special
        ],
    }


def _has(mount: Mapping[str, Any], characters: str) -> bool:
    return any(c in mount["Source"] + mount["Target"] for c in characters)


def _limits(run: ExecutorRun, traits: EngineTraits) -> dict[str, int]:
    limits = {}
    if traits.limits_cpu:
        cores = min(max(run.cpu_cores, _MIN_CPU), traits.cpus)
        limits["NanoCpus"] = round(cores * _NANO)
    if traits.limits_memory:
        memory = max(run.ram, _MIN_MEMORY)
        # The same with swap: no swap, which would only delay the end.
        limits |= {"Memory": memory, "MemorySwap": memory}
    # It counts as memory; the engine's default of 64 MiB is too small for many.
    limits["ShmSize"] = min(max(run.ram // 2, _MIN_SHARED), _MAX_SHARED)
    return limits


def _confinement(rules: ContainerRules, traits: EngineTraits) -> dict[str, Any]:
    confinement: dict[str, Any] = {"NetworkMode": rules.network}
    if rules.dropped_capabilities:
        confinement["CapDrop"] = list(rules.dropped_capabilities)
    if rules.max_processes and traits.limits_processes:
        confinement["PidsLimit"] = rules.max_processes
    return confinement
