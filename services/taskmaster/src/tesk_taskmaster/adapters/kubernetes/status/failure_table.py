"""Decides how long a problem may hold up a step in a cluster, and what follows.

One row for each trouble: which setting limits it, whether a new attempt may
succeed, and the message for the user. ``{image}`` is the image; the cluster's
message follows after a colon.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tesk_kubernetes.settings import KubernetesSettings
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Ended,
    Problem,
    ProblemKind,
    Subject,
    Waiting,
    failed,
)
from tesk_taskmaster.adapters.kubernetes.status.wait_details import problem_details

_MAX_LENGTH = 600  # characters of the cluster's message


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """What is done about one trouble.

    Attributes:
        code: Of the cause, for programs.
        message: For the user.
        meanwhile: Message while it may pass, if it is nothing unusual.
        limit: How long it may last.
        lost: After that, a new attempt may succeed.
        is_endless: A limit of 0 means for ever.
    """

    code: ReasonCode
    message: str
    meanwhile: str = ""
    limit: Callable[[KubernetesSettings], timedelta]
    lost: bool = False
    is_endless: bool = False


_TABLE = {
    ProblemKind.IMAGE_NAME: _Row(
        code=ReasonCode.IMAGE_INVALID,
        message="{image} is not a valid image name",
        limit=lambda _: timedelta(0),
    ),
    ProblemKind.IMAGE_ABSENT: _Row(
        code=ReasonCode.IMAGE_PULL_FAILED,
        message="image {image} cannot be pulled",
        limit=lambda _: timedelta(0),
    ),
    ProblemKind.IMAGE_DENIED: _Row(
        code=ReasonCode.IMAGE_PULL_FAILED,
        message="image {image} cannot be pulled",
        limit=lambda s: s.image_missing_timeout,
    ),
    ProblemKind.IMAGE: _Row(
        code=ReasonCode.IMAGE_PULL_FAILED,
        message="image {image} cannot be pulled",
        limit=lambda s: s.image_timeout,
    ),
    ProblemKind.CONTAINER: _Row(
        code=ReasonCode.CONTAINER_START_FAILED,
        message="the container of {image} cannot be started",
        limit=lambda s: s.config_timeout,
    ),
    ProblemKind.UNSCHEDULABLE: _Row(
        code=ReasonCode.UNSCHEDULABLE,
        message="no node can take it",
        limit=lambda s: s.schedule_timeout,
        is_endless=True,
    ),
    ProblemKind.VOLUME_UNBOUND: _Row(
        code=ReasonCode.VOLUME_UNAVAILABLE,
        message="its volume cannot be provided",
        meanwhile="waiting for its volume",
        limit=lambda s: s.volume_timeout,
    ),
    ProblemKind.MOUNT: _Row(
        code=ReasonCode.VOLUME_UNAVAILABLE,
        message="a volume cannot be mounted",
        limit=lambda s: s.volume_timeout,
        lost=True,
    ),
    ProblemKind.QUOTA: _Row(
        code=ReasonCode.CLUSTER_QUOTA_FULL,
        message="a quota of the cluster has no room",
        limit=lambda s: s.quota_timeout,
        is_endless=True,
    ),
    ProblemKind.REFUSED: _Row(
        code=ReasonCode.POD_REFUSED,
        message="the cluster refuses to run it",
        limit=lambda s: s.refusal_timeout,
    ),
    ProblemKind.STALLED: _Row(
        code=ReasonCode.NODE_UNRESPONSIVE,
        message="its node does not start it",
        meanwhile="starting on its node",
        limit=lambda s: s.start_timeout,
        lost=True,
    ),
    ProblemKind.NODE_UNRESPONSIVE: _Row(
        code=ReasonCode.NODE_UNRESPONSIVE,
        message="its pod was told to end and its node does not answer",
        meanwhile="waiting for its pod to end",
        limit=lambda s: s.node_timeout,
        lost=True,
    ),
}


def judge_problem(
    problem: Problem,
    subject: Subject,
    *,
    since: datetime,
    now: datetime,
    settings: KubernetesSettings,
) -> Waiting | Ended:
    """Decide whether a problem has held up a step for too long.

    Args:
        problem: That holds it up.
        subject: The step.
        since: When it began.
        now: The time.
        settings: With the limits.
    """
    row = _TABLE[problem.kind]
    limit = row.limit(settings)
    message = row.message.format(image=problem.image or subject.image)
    cause = shorten(problem.cause)
    if row.is_endless and not limit:
        return _waiting(row, subject, message, problem)
    # A node's clock may be ahead of this one.
    if max(now - since, timedelta(0)) < limit:
        within = row.meanwhile or f"{message} (given up after {format_duration(limit)})"
        return _waiting(row, subject, within, problem)
    for_long = f"{message}, for {format_duration(limit)}" if limit else message
    sentence = _sentence(subject.name, for_long, cause)
    return failed(sentence, code=row.code, lost=row.lost)


def shorten(text: str) -> str:
    """Return the cluster's message on one line, truncated."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_LENGTH else f"{line[:_MAX_LENGTH]}…"


def format_duration(duration: timedelta) -> str:
    """Write a duration for people: ``90 s``, ``15 min``, ``2 h``."""
    seconds = duration.total_seconds()
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"


def _waiting(row: _Row, subject: Subject, message: str, problem: Problem) -> Waiting:
    text = _sentence(subject.name, message, shorten(problem.cause))
    return Waiting(Reason(row.code, text, problem_details(problem.kind, problem.cause)))


def _sentence(name: str, message: str, cause: str) -> str:
    return f"{name}: {message}: {cause}" if cause else f"{name}: {message}"
