"""Chooses how the steps of a plan lie on a cluster: a Job for each, or one pod for all.

| asked for | and | layout |
|---|---|---|
| ``jobs`` | | jobs |
| ``pod`` | the pod cannot be made, or the volume is too large | refused |
| ``pod`` | a failure may be repeated, and there are outputs | refused |
| ``pod`` | else | pod |
| ``auto`` | the pod cannot be made, or the volume is too large | jobs |
| ``auto`` | a failure may be repeated, and there are outputs | jobs |
| ``auto`` | else | pod |

A task asks by the backend parameter ``layout``, if the installation lets it; else the
installation's setting counts. In a pod, steps begin in one of two orders:

| order asked for | and | order |
|---|---|---|
| ``sequence`` | | sequence |
| ``together``, ``auto`` | a single file is mounted, which an earlier step brings | sequence |
| ``together``, ``auto`` | an executor sees a directory within one that an earlier one sees | sequence |
| ``together``, ``auto`` | several executors, each with GPUs | sequence |
| ``together``, ``auto`` | several executors, and pods have no resources of their own | sequence |
| ``together``, ``auto`` | more than 50 executors | sequence |
| ``together``, ``auto`` | else | together |
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from tesk_model.paths import parent
from tesk_model.quantities import format_bytes
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.required_paths import nearest_ancestor

LAYOUT = "layout"
"""The backend parameter by which a task asks for a layout."""

_AUTO = "auto"
# Each container that starts at once costs its node memory from the beginning, and names
# all before it.
_MOST_TOGETHER = 50


class LayoutError(Exception):
    """The layout that is asked for cannot be had; the message names it and says why."""


class Layout(StrEnum):
    """How the steps of an attempt lie on the cluster."""

    JOBS = "jobs"
    POD = "pod"


class Order(StrEnum):
    """How the steps of one pod follow each other.

    Attributes:
        TOGETHER: All containers start at once, and each waits for its turn.
        SEQUENCE: Init containers, which the kubelet starts one after the other.
    """

    TOGETHER = "together"
    SEQUENCE = "sequence"


class PodVolume(StrEnum):
    """What the volume of a pod is.

    Attributes:
        DISK: A part of the node's disk.
        MEMORY: A part of the node's memory.
        EPHEMERAL: A claim that goes with the pod.
        CLAIM: The attempt's claim, as Jobs have it.
    """

    DISK = "disk"
    MEMORY = "memory"
    EPHEMERAL = "ephemeral"
    CLAIM = "claim"

    @property
    def is_of_node(self) -> bool:
        """Tell whether it is taken from what the node has itself."""
        return self in (PodVolume.DISK, PodVolume.MEMORY)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutOffer:
    """What the installation and its cluster offer.

    Attributes:
        layout: ``jobs``, ``pod`` or ``auto``, for tasks that do not ask.
        allowed: Values of the backend parameter ``layout``.
        order: ``auto``, ``together`` or ``sequence``.
        volume: Of pods.
        max_disk: Bytes of the largest volume that is taken from a node; 0: any.
        pod_resources: Pods can have resources as a whole (Kubernetes 1.34).
        problem: Why no pod can be made of the templates, or of a plan; "": one can.
    """

    layout: str = Layout.JOBS
    allowed: tuple[str, ...] = ()
    order: str = _AUTO
    volume: PodVolume = PodVolume.DISK
    max_disk: int = 0
    pod_resources: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutChoice:
    """How the steps of an attempt lie on the cluster, and why.

    Attributes:
        order: Of the steps in a pod; None with Jobs.
        why: For people: a clause without a full stop.
        is_adopted: Not chosen now: its steps have begun so.
    """

    layout: Layout
    order: Order | None = None
    why: str = ""
    is_adopted: bool = False

    def __str__(self) -> str:
        return f"{self.layout}, {self.order}" if self.order else str(self.layout)


def choose_layout(plan: Plan, offer: LayoutOffer) -> LayoutChoice:
    """Return how the steps of a plan lie on the cluster; see the tables above.

    The layout depends neither on mounts nor on images; the order does: a plan
    whose mounts are not final gets the order of what it mounts so far.

    Raises:
        LayoutError: The task asks for a layout that is not offered, or a pod
            is asked for that cannot be.
    """
    asked, whose = _asked(plan, offer)
    if asked == Layout.JOBS:
        return LayoutChoice(layout=Layout.JOBS, why=whose)
    obstacle = next(_obstacles(plan, offer), "")
    if obstacle and asked == Layout.POD:
        raise LayoutError(obstacle)
    if obstacle:
        return LayoutChoice(layout=Layout.JOBS, why=obstacle)
    order, why = _order(plan, offer)
    why = "; ".join(part for part in (whose, why) if part)
    return LayoutChoice(layout=Layout.POD, order=order, why=why)


def _asked(plan: Plan, offer: LayoutOffer) -> tuple[str, str]:
    wanted = plan.placement.backend_parameters.get(LAYOUT)
    if not wanted:
        return offer.layout, "as this installation has it"
    if wanted not in offer.allowed:
        offered = ", ".join(offer.allowed) or "none"
        msg = (
            f'resources.backend_parameters.{LAYOUT}: "{wanted[:64]}" is not '
            f"offered here ({offered})"
        )
        raise LayoutError(msg)
    return wanted, "as the task asks"


def _obstacles(plan: Plan, offer: LayoutOffer) -> Iterator[str]:
    if offer.problem:
        yield f"its steps cannot share a pod here: {offer.problem}"
    if plan.may_be_repeated and plan.has_outputs:
        yield (
            "the steps of one pod upload outputs also of a failure that is repeated"
            " (retry_on_exit_codes, oom_memory_factor)"
        )
    most = offer.max_disk
    if most and offer.volume.is_of_node and plan.has_volume and plan.disk > most:
        yield (
            "resources.disk_gb: is more than what a pod can have of a node here, "
            f"{format_bytes(most)}"
        )


def _order(plan: Plan, offer: LayoutOffer) -> tuple[Order, str]:
    if offer.order == Order.SEQUENCE:
        return Order.SEQUENCE, ""
    why = next(_reasons_for_sequence(plan, offer), "")
    return (Order.SEQUENCE, why) if why else (Order.TOGETHER, "")


def _reasons_for_sequence(plan: Plan, offer: LayoutOffer) -> Iterator[str]:
    if any(mount.is_file for step in plan.executors for mount in step.mounts):
        # One that is mounted before it is there becomes a directory.
        yield "a file among those of an image must be there before its container"
    if _has_mount_in_earlier_one(plan):
        # The earlier executor may replace it: then a mount made before shows the old one.
        yield "a directory that an earlier executor may replace must be mounted after it"
    if len(plan.executors) > 1 and plan.wants_devices:
        # Resources of a pod as a whole cannot count them.
        yield "containers that start together would each hold GPUs"
    if len(plan.executors) > 1 and not offer.pod_resources:
        yield (
            "containers that start together would each hold their memory: this "
            "cluster has no resources of pods"
        )
    if len(plan.executors) > _MOST_TOGETHER:
        yield f"at most {_MOST_TOGETHER} executors start together"


def _has_mount_in_earlier_one(plan: Plan) -> bool:
    """Tell whether a mount of an executor lies below one of an executor before it."""
    seen: set[str] = set()
    for step in plan.executors:
        paths = {mount.path for mount in step.mounts}
        if any(nearest_ancestor(parent(path), seen) is not None for path in paths):
            return True
        seen |= paths
    return False
