"""The plan of one attempt: what is mounted where, and which steps run in order.

A plan does not depend on how steps run (processes, containers, Jobs): each
runtime renders it in its own way.

The task volume mirrors the container's tree: what executors see at ``/work/a``
lies at ``work/a`` in the volume, so that filers and executors need no table of
paths.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tesk_model.devices import GPU, GPU_TYPE
from tesk_model.names import Attempt
from tesk_model.paths import is_within, normalize
from tesk_model.quantities import ByteCount
from tesk_model.task import Executor
from tesk_taskmaster.domain.references import Reference, is_in_reference
from tesk_taskmaster.domain.step_names import executor_step


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A part of the volume that executors see at the same path.

    Attributes:
        path: Absolute container path, normalized.
        is_file: A single file (an input in a directory of the image);
            otherwise a directory.
    """

    path: str
    is_file: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorStep:
    """One executor of the task.

    Attributes:
        mounts: What this executor sees of the volume; no mount lies inside
            another.
        collect: Patterns (``tesk_model.patterns``; literal names are escaped) outside every
            mount: an output or redirect in a directory of the image.
            What matches when the executor has ended is moved into the volume at
            the same path.
        stdin_in_volume: Its stdin is in no mount: it is in the volume, if an
            earlier executor wrote it, else in the image.
        references: Mounted read-only, in order of path: by themselves, or within one of
            the mounts.
    """

    index: int
    executor: Executor
    mounts: tuple[Mount, ...]
    collect: tuple[str, ...] = ()
    stdin_in_volume: bool = False
    references: tuple[Reference, ...] = ()

    @property
    def name(self) -> str:
        """Its name; see ``step_names``."""
        return executor_step(self.index)

    @property
    def reaches_volume(self) -> bool:
        """Tell whether it needs the whole volume, beside its mounts."""
        return bool(self.collect) or self.stdin_in_volume

    @property
    def unmounted_workdir(self) -> str | None:
        """The working directory if it lies in no mount, else None.

        Only the container runtime can make it: the image's user may not write to
        the image.
        """
        workdir = self.executor.workdir
        if not workdir:
            return None
        path = normalize(workdir)
        mounted = any(is_within(path, mount.path) for mount in self.mounts)
        return None if mounted or is_in_reference(path, self.references) else path


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where the steps may run, by the task and its owner; each runtime reads its own.

    Attributes:
        zones: Any of these; empty: anywhere.
        preemptible: Preemptible machines are allowed.
        backend_parameters: Keys in lower case, as the api lets them through.
        groups: Of the task's owner, in the order that the identity gives them.
    """

    zones: tuple[str, ...] = ()
    preemptible: bool = False
    backend_parameters: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All steps of one attempt, in order: inputs, executors, outputs.

    Attributes:
        has_inputs: A filer downloads inputs first: there are some that are no references.
        has_outputs: A filer uploads outputs last, also if an executor failed.
        directories: Made in the volume before the first step, each writable by
            any uid; normalized paths, parents first. Empty if the task shares
            nothing between steps. Independent of the images.
        outputs: Patterns (``tesk_model.patterns``; literal names are escaped) of what the filer
            uploads; the launcher makes it readable, since the filer has another uid.
        cpu_cores: For each executor; also the limit where one is enforced.
        ram: Bytes, likewise.
        disk: Bytes of the volume.
        placement: The same for every step, so that they can share a volume.
        waiting_since: Since when an earlier taskmaster may have waited for what
            the first step needs; None: there was none.
        may_be_repeated: Another attempt may follow a failure of an executor; no
            outputs are uploaded then.
        has_results: Steps have ended whose results are in the volume, so that it
            cannot be made anew.
    """

    attempt: Attempt
    has_inputs: bool
    has_outputs: bool
    directories: tuple[str, ...]
    executors: tuple[ExecutorStep, ...]
    cpu_cores: float
    ram: ByteCount
    disk: ByteCount
    outputs: tuple[str, ...] = ()
    placement: Placement = field(default_factory=Placement)
    waiting_since: datetime | None = None
    may_be_repeated: bool = False
    has_results: bool = False

    @property
    def wants_devices(self) -> bool:
        """Tell whether each executor asks for GPUs."""
        return not {GPU, GPU_TYPE}.isdisjoint(self.placement.backend_parameters)

    @property
    def has_volume(self) -> bool:
        """Tell whether steps share anything, so that a volume must be made."""
        return (
            self.has_inputs
            or self.has_outputs
            or bool(self.directories)
            or any(step.mounts or step.reaches_volume for step in self.executors)
        )
