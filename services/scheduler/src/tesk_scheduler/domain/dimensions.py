"""Lists the dimensions of the quota: what tasks use and limits bound.

Settings, columns, messages and metrics are generated from this table, so that
another dimension is a row here and a migration. Amounts are whole numbers (thousandths
of a core, bytes), so that counters never drift.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from tesk_model import devices
from tesk_model.quantities import (
    bytes_from_gib,
    format_bytes,
    format_number,
    gib_from_bytes,
)


def millis_from_cores(cores: float) -> int:
    """Convert cores to thousandths of a core, rounded up.

    Raises:
        ValueError: ``cores`` is negative or not finite.
    """
    if not math.isfinite(cores * 1000) or cores < 0:
        msg = f"{cores} is not a number of cores"
        raise ValueError(msg)
    millis = cores * 1000
    nearest = round(millis)
    # 16.1 * 1000 is a little more than 16100 in binary.
    is_meant = math.isclose(millis, nearest, rel_tol=1e-15, abs_tol=1e-6)
    return nearest if is_meant else math.ceil(millis)


class Unit(NamedTuple):
    """How people write an amount, in settings and tasks.

    Attributes:
        name: Of the unit.
        parse: Converts such a number to a whole one; ValueError if it is invalid.
        number: Converts back.
        format: For messages, with the unit.
    """

    name: str
    parse: Callable[[float], int]
    number: Callable[[float], float]
    format: Callable[[float], str]


_COUNT = Unit("tasks", int, float, format_number)
_CORES = Unit(
    "cores",
    millis_from_cores,
    lambda value: value / 1000,
    lambda value: format_number(value / 1000),
)
_GPUS = Unit("number", int, float, format_number)
_GIB = Unit(
    "GiB",
    bytes_from_gib,
    lambda value: gib_from_bytes(round(value)),
    lambda value: format_bytes(round(value)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskField:
    """The field of a task that says how much it needs.

    Attributes:
        name: In ``tesResources``, or of a backend parameter.
        singular: Of the noun in "exceeds the 1 core that there is",
        plural: and of that in "exceeds the 4 cores".
        default: What a task without it counts for, in its unit.
        may_be_none: A task may need none of it; 0 counts as unset.
        is_parameter: It is a backend parameter; a task without it gets none,
            whatever the settings say.
    """

    name: str
    singular: str
    plural: str
    default: float
    may_be_none: bool = False
    is_parameter: bool = False

    @property
    def path(self) -> str:
        """Where it is in a task."""
        return f"resources.{'backend_parameters.' * self.is_parameter}{self.name}"


class Metric(NamedTuple):
    """The metric of usage; its value is divided by ``scale``."""

    name: str
    help: str
    scale: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """One row of the table.

    Attributes:
        index: In ``DIMENSIONS`` and in each ``Amounts``.
        column: Of the database; also its name in Python.
        setting: Name below ``quota``.
        description: Of the setting.
        noun: In "4 of 8 cpu in use".
        resource: Its name in Kubernetes, unless settings give another; "" if it
            has none.
        per_unit: Our amount for one unit of Kubernetes.
        field: None for what a task does not ask for.
    """

    index: int
    column: str
    setting: str
    description: str
    noun: str
    unit: Unit
    metric: Metric
    resource: str = ""
    per_unit: int = 1
    field: TaskField | None = None

    def __index__(self) -> int:
        """Let ``amounts[dimension]`` be written."""
        return self.index


RUNNING = Dimension(
    index=0,
    column="running",
    setting="running",
    description="tasks that run",
    noun="tasks running",
    unit=_COUNT,
    metric=Metric("tasks_running", "Tasks between admission and end."),
    resource="pods",
)
QUEUED = Dimension(
    index=1,
    column="queued",
    setting="queued",
    description="tasks that wait",
    noun="tasks queued",
    unit=_COUNT,
    metric=Metric("tasks_queued", "Tasks that wait."),
)
CPU = Dimension(
    index=2,
    column="cpu_millis",
    setting="cpu",
    description="cores, with fractions",
    noun="cpu",
    unit=_CORES,
    metric=Metric("cpu_used_cores", "Cores in use.", 1000),
    resource="cpu",
    per_unit=1000,
    field=TaskField(name="cpu_cores", singular="core", plural="cores", default=1),
)
RAM = Dimension(
    index=3,
    column="ram",
    setting="ram_gb",
    description="memory in GiB",
    noun="memory",
    unit=_GIB,
    metric=Metric("ram_used_bytes", "Memory in use."),
    resource="memory",
    field=TaskField(
        name="ram_gb", singular="GiB of memory", plural="GiB of memory", default=2
    ),
)
DISK = Dimension(
    index=4,
    column="disk",
    setting="disk_gb",
    description="disk in GiB",
    noun="disk",
    unit=_GIB,
    metric=Metric("disk_used_bytes", "Disk in use."),
    field=TaskField(
        name="disk_gb",
        singular="GiB of disk",
        plural="GiB of disk",
        default=1,
        may_be_none=True,
    ),
)
GPU = Dimension(
    index=5,
    column="gpu",
    setting="gpu",
    description="GPUs of any type",
    noun="gpu",
    unit=_GPUS,
    metric=Metric("gpus_used", "GPUs in use."),
    resource="nvidia.com/gpu",
    # Executors run one after another, so that a task takes what one of them does.
    field=TaskField(
        name=devices.GPU,
        singular="GPU",
        plural="GPUs",
        default=0,
        may_be_none=True,
        is_parameter=True,
    ),
)
DIMENSIONS = (RUNNING, QUEUED, CPU, RAM, DISK, GPU)
ASKED = tuple(each for each in DIMENSIONS if each.field)
"""The dimensions that a task asks for."""
CHARGED = tuple(each for each in ASKED if each.field and not each.field.is_parameter)
"""Those of which a task that does not say is charged a default."""
