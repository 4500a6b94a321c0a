"""States of a step, between reading its objects and judging it.

``pods`` derives an Observation from a Snapshot; ``failure_table`` decides when a
wait has lasted too long.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.templates import MAIN
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.domain.termination import LoggedBytes, StepResult

_NEVER_RAN = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The step, for messages.

    Attributes:
        name: ``executors[1]``, ``the transfer of inputs``.
        image: Of its container.
        ram: Its memory limit in bytes; None for a filer.
        container: Name of its container.
        earlier: Containers of the steps before it in the same pod, in order.
        later: Likewise, after it.
        step: The one that it is of both in its container; "": it is the only one.
        filer: Container of both transfers, if the step is one between them.
        ignored: Of those before it, the ones whose failure is ignored.
        has_started: The scheduler knows that it did, so that it must not again.
    """

    name: str
    image: str
    ram: int | None = None
    container: str = MAIN
    earlier: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    step: str = ""
    filer: str = ""
    ignored: frozenset[str] = frozenset()
    has_started: bool = False

    @property
    def others(self) -> frozenset[str]:
        """Containers of other steps in the same pod."""
        return frozenset(filter(None, (*self.earlier, *self.later, self.filer)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The objects of a step at one moment.

    Attributes:
        job: None if it does not exist.
        pod: In its last version; None if there was none.
        pod_is_gone: The object was deleted since.
        claim: Of the volume, if the attempt has one.
        events: About Job, pod and claim, in any order; empty unless queried.
        events_since: Older ones may have expired before any were read; None: none were.
        was_stopped: TESK itself stopped it.
        has_no_pod: The cluster was queried for the pod, and has none.
        queue_message: Why a queue of the cluster holds the Job back, if it says so.
        passed: Earlier steps of the pod that have succeeded, whatever it shows yet.
    """

    subject: Subject
    job: JsonObject | None
    pod: JsonObject | None = None
    pod_is_gone: bool = False
    claim: JsonObject | None = None
    events: Sequence[JsonObject] = ()
    events_since: datetime | None = None
    was_stopped: bool = False
    has_no_pod: bool = False
    queue_message: str = ""
    passed: frozenset[str] = frozenset()


class ProblemKind(StrEnum):
    """Kinds of problems that hold up a step, each with a limit in ``failure_table``."""

    IMAGE_NAME = "IMAGE_NAME"
    IMAGE_ABSENT = "IMAGE_ABSENT"
    IMAGE_DENIED = "IMAGE_DENIED"
    IMAGE = "IMAGE"
    CONTAINER = "CONTAINER"
    UNSCHEDULABLE = "UNSCHEDULABLE"
    VOLUME_UNBOUND = "UNBOUND"
    MOUNT = "MOUNT"
    QUOTA = "QUOTA"
    REFUSED = "REFUSED"
    STALLED = "STALLED"
    NODE_UNRESPONSIVE = "NODE_SILENT"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not running yet."""

    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem that holds up a step.

    Attributes:
        cause: Message of the cluster.
        since: When it began, if known.
        told: When an event told of it last, if one did.
        image: Of a container other than that of the step.
    """

    kind: ProblemKind
    cause: str
    since: datetime | None = None
    told: datetime | None = None
    image: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """Its container runs."""

    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """It has ended, or will never run.

    Attributes:
        result: Of the step.
        has_run: Its container was started.
        logged: What the launcher gave to its log; None if that is not known.
    """

    result: StepResult
    has_run: bool = True
    logged: LoggedBytes | None = None


Observation = Waiting | Problem | Running | Ended
Judgement = Waiting | Running | Ended


def failed(message: str, *, code: ReasonCode, lost: bool) -> Ended:
    """Return the end of a step that never ran, through no fault of its command."""
    result = StepResult(exit_code=_NEVER_RAN, error=message, code=code, lost=lost)
    return Ended(result=result, has_run=False)
