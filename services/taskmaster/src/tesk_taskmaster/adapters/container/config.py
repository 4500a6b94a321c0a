"""The container of one executor, as data: what the engine is asked to create.

Pure, so that every mount, limit and option can be read and tested in one place.
The image's ENTRYPOINT and CMD are replaced by the launcher and the user's
literal command; environment, user and working directory are the image's, plus
what the executor says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tesk_model.names import Attempt
from tesk_model.task import TaskId
from tesk_taskmaster.adapters.launcher_options import (
    LAUNCHER_TARGET,
    OWN_FOLDER,
    VOLUME_TARGET,
    launcher_options,
)
from tesk_taskmaster.ports import ExecutorRun, StepFailedError

Network = Literal["none", "loopback-free", "host"]

HOME_LABEL = "tesk.home"
TASK_LABEL = "tesk.task"
ATTEMPT_LABEL = "tesk.attempt"
STEP_LABEL = "tesk.step"

# No image has this folder, so nothing of an image is hidden.
REPORT_TARGET = f"{OWN_FOLDER}/report"

SECURITY_OPTIONS = [
    "no-new-privileges",
    # Bind mounts of a home directory are refused under SELinux otherwise, and
    # relabelling the user's files is not ours to do.
    "label=disable",
]

_NANO = 10**9
_LEAST_CPU = 0.01  # Docker refuses less,
_LEAST_SHARED = 64 * 1024**2  # bytes of /dev/shm
_MOST_SHARED = 16 * 1024**3
_LEAST_MEMORY = 8 * 1024**2  # and less than 6 MiB of memory.


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRules:
    """How a container is confined.

    Attributes:
        processes: Processes and threads that there may be in one; 0: any number.
        dropped: Capabilities of the engine's usual ones that it does not get.
        network: In which it is: ``none``, ``host`` or a name.
    """

    processes: int = 0
    dropped: tuple[str, ...] = ()
    network: str = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerChoices:
    """What the operator decides about executors, from the settings.

    Attributes:
        network: See ``AttemptNetworks``.
        addresses: Likewise.
        processes: See ``ContainerRules``.
        dropped: Likewise.
    """

    network: Network = "loopback-free"
    addresses: str = "198.18.0.0/15"
    processes: int = 0
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineTraits:
    """What the engine is and can do, from its ``/info`` and ``/version``.

    Attributes:
        cpus: Of the engine's machine; more cannot be asked for.
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

    def notes(self) -> tuple[str, ...]:
        """Say which limits are not enforced here, for ``system_logs``."""
        missing = [
            word
            for word, there in (
                ("cpu", self.limits_cpu),
                ("memory", self.limits_memory),
                ("processes", self.limits_processes),
            )
            if not there
        ]
        if not missing:
            return ()
        limits = " and ".join(missing)
        engine = f"{self.product} {self.version}"
        return (f"{engine} cannot enforce {limits} limits for this user",)


def run_labels(run: ExecutorRun, home: Path) -> dict[str, str]:
    """Return the labels by which a run is found again."""
    return attempt_labels(run.attempt, home) | {STEP_LABEL: run.step.name}


def attempt_labels(attempt: Attempt, home: Path) -> dict[str, str]:
    """Return the labels that all containers of an attempt share."""
    return {
        HOME_LABEL: str(home),
        TASK_LABEL: attempt.task_id,
        ATTEMPT_LABEL: str(attempt.number),
    }


def labelled_attempt(labels: Mapping[str, str]) -> Attempt | None:
    """Return the attempt that labels name, or None if they name none."""
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
        rules: None: no network, and else as the engine has it.

    Raises:
        StepFailedError: The engine has no way to mount a path of this name.

    Source:
        Docker Engine API 1.41, ``ContainerCreate``.
    """
    mounts = [
        bind(launcher, LAUNCHER_TARGET, read_only=True),
        bind(report, REPORT_TARGET),
        *(bind(mount.source, mount.target) for mount in run.mounts),
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
            **_mounting(mounts, traits),
            "SecurityOpt": SECURITY_OPTIONS,
            "RestartPolicy": {"Name": "no"},
            "AutoRemove": False,
            "LogConfig": log_config(traits),
            **_limits(run, traits),
            **_confinement(rules or ContainerRules(), traits),
        },
    }


def log_config(traits: EngineTraits) -> dict[str, Any]:
    """Return a log driver whose end can be read back, whatever the default is.

    Docker's keeps at most 32 MiB, so that a chatty program cannot fill the
    disk. Podman's has no rotation that keeps the end.
    """
    if traits.is_podman:
        return {"Type": "k8s-file"}
    return {"Type": "json-file", "Config": {"max-size": "16m", "max-file": "2"}}


def _mounting(
    mounts: Sequence[Mapping[str, Any]], traits: EngineTraits
) -> dict[str, Any]:
    """Ask for bind mounts in the form in which the engine takes their names.

    Docker takes any name in ``Mounts``. Podman reads those as a line of CSV, and
    takes ``Binds`` apart at colons.
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
        cores = min(max(run.cpu_cores, _LEAST_CPU), traits.cpus)
        limits["NanoCpus"] = round(cores * _NANO)
    if traits.limits_memory:
        memory = max(run.ram, _LEAST_MEMORY)
        # The same for memory with swap: no swap, which would only hide the end.
        limits |= {"Memory": memory, "MemorySwap": memory}
    # What lies in it counts as memory; the engine's 64 MiB stop many a program.
    limits["ShmSize"] = min(max(run.ram // 2, _LEAST_SHARED), _MOST_SHARED)
    return limits


def _confinement(rules: ContainerRules, traits: EngineTraits) -> dict[str, Any]:
    confinement: dict[str, Any] = {"NetworkMode": rules.network}
    if rules.dropped:
        confinement["CapDrop"] = list(rules.dropped)
    if rules.processes and traits.limits_processes:
        confinement["PidsLimit"] = rules.processes
    return confinement
