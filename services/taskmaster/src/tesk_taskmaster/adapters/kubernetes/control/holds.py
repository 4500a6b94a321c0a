"""What a taskmaster has in hand: attempts, their steps, what it knows of them.

All of it can be found again in the cluster; nothing is lost with the process.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tesk_kubernetes.api import JsonObject
from tesk_model.names import Attempt
from tesk_taskmaster.adapters.kubernetes.control.footing import Footing
from tesk_taskmaster.adapters.kubernetes.control.logs import PodLog
from tesk_taskmaster.adapters.kubernetes.control.observations import (
    Ended,
    Failed,
    Subject,
    Trouble,
)
from tesk_taskmaster.adapters.kubernetes.manifests.objects import Site
from tesk_taskmaster.domain.plan import Plan


@dataclass(slots=True, kw_only=True)
class StepHold:
    """One step that was started.

    Attributes:
        job: As it was created or found; its uid tells it from others.
        begun: Monotonic moment when we began to wait for it.
        is_adopted: It was there already.
        was_stopped: We asked for its end.
        over: How it ended, once that is known.
        since: When each trouble was met first.
        events: What the cluster said of it, last listed at ``listed``.
        looked: Monotonic moment of the last look for the Job itself.
        is_missing: The cluster has no such Job.
        pod: What the cluster itself said, where nothing else has told yet.
        has_no_pod: Likewise, that there is none.
    """

    name: str
    subject: Subject
    job: JsonObject
    begun: float
    is_adopted: bool = False
    was_stopped: bool = False
    over: Ended | Failed | None = None
    since: dict[Trouble, datetime] = field(default_factory=dict)
    events: Sequence[JsonObject] = ()
    listed: float = 0.0
    lists: int = 0
    looked: float = 0.0
    is_missing: bool = False
    pod: JsonObject | None = None
    has_no_pod: bool = False
    log: PodLog | None = None

    @property
    def uid(self) -> str:
        """Of the Job."""
        return str(self.job["metadata"]["uid"])


@dataclass(slots=True, kw_only=True)
class AttemptHold:
    """One attempt in hand.

    Attributes:
        questions: Where to look in the image of an executor, by its index.
        has_strays: Pods may be left of it that the book does not know, of a Job
            that was deleted while nobody watched.
    """

    plan: Plan
    site: Site
    footing: Footing
    steps: dict[str, StepHold] = field(default_factory=dict)
    questions: dict[int, Sequence[str]] = field(default_factory=dict)
    has_strays: bool = False
    dropped: threading.Event = field(default_factory=threading.Event)
    guard: threading.RLock = field(default_factory=threading.RLock)

    @property
    def attempt(self) -> Attempt:
        """Which."""
        return self.plan.attempt
