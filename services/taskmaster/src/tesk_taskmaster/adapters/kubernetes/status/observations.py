"""What can be said of a step, between reading its objects and judging it.

``pods`` makes an Observation of a Snapshot; ``failure_table`` decides when
waiting has lasted long enough.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tesk_kubernetes.api import JsonObject
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.domain.termination import StepResult

_NEVER_RAN = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The step, as messages for people name it.

    Attributes:
        name: ``executors[1]``, ``the transfer of inputs``.
        image: Of its container ``main``.
        ram: Its memory limit in bytes; None for a filer, which has no launcher.
    """

    name: str
    image: str
    ram: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that is known of a step at one moment.

    Attributes:
        job: None if it is gone.
        pod: As it was last seen; None if none was.
        pod_is_gone: The object was deleted since.
        claim: Of the volume, if the attempt has one.
        events: About Job, pod and claim, in any order; empty unless asked for.
        was_stopped: TESK itself asked for the end.
        has_no_pod: The cluster itself was asked for the pod, and has none.
    """

    subject: Subject
    job: JsonObject | None
    pod: JsonObject | None = None
    pod_is_gone: bool = False
    claim: JsonObject | None = None
    events: Sequence[JsonObject] = ()
    was_stopped: bool = False
    has_no_pod: bool = False


class Trouble(StrEnum):
    """What a step can be held up by; each has a limit in ``failure_table``."""

    IMAGE_NAME = "IMAGE_NAME"
    IMAGE_ABSENT = "IMAGE_ABSENT"
    IMAGE_DENIED = "IMAGE_DENIED"
    IMAGE = "IMAGE"
    CONTAINER = "CONTAINER"
    UNSCHEDULABLE = "UNSCHEDULABLE"
    UNBOUND = "UNBOUND"
    MOUNT = "MOUNT"
    QUOTA = "QUOTA"
    REFUSED = "REFUSED"
    STALLED = "STALLED"
    NODE_SILENT = "NODE_SILENT"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not running yet, for a reason that people can read."""

    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubled:
    """Held up; what, and the cluster's own words for why.

    Attributes:
        since: When it began, if the objects tell.
        image: Which image, of another container than ``main``.
    """

    trouble: Trouble
    cause: str
    since: datetime | None = None
    image: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """Its container runs."""

    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """It runs no more, or will never run.

    Attributes:
        result: Of the step.
        has_run: Its container was started.
    """

    result: StepResult
    has_run: bool = True


Observation = Waiting | Troubled | Running | Ended
Judgement = Waiting | Running | Ended


def failed(message: str, *, code: ReasonCode, lost: bool) -> Ended:
    """Return the end of a step that never ran, through no fault of its command."""
    result = StepResult(exit_code=_NEVER_RAN, error=message, code=code, lost=lost)
    return Ended(result=result, has_run=False)
