"""What can be said of a step: the words between reading a pod and judging it.

``pod_status`` reads objects and says an Observation; ``failure_table`` decides
when waiting has lasted long enough.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tesk_kubernetes.api import JsonObject
from tesk_taskmaster.domain.termination import StepResult


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
class Seen:
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

    reason: str


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


@dataclass(frozen=True, slots=True)
class Ended:
    """Its container has ended, and its result is the step's."""

    result: StepResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It will not come to an end of its own.

    Attributes:
        message: For people; names the step.
        lost: A new attempt may succeed.
        ran: Its container was started.
    """

    message: str
    lost: bool
    ran: bool = False


Observation = Waiting | Troubled | Running | Ended | Failed
Judgement = Waiting | Running | Ended | Failed
