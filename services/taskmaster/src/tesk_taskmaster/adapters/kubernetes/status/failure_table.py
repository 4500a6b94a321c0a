"""Everything that can hold up a step in a cluster: how long it may, and what then.

One row for each trouble: which setting limits it, whether a new attempt may do
better, and the sentence for the user. ``{image}`` is the image; the cluster's
own words follow after a colon.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tesk_kubernetes.settings import KubernetesSettings
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Ended,
    Subject,
    Trouble,
    Troubled,
    Waiting,
    failed,
)

_MOST = 600  # characters of the cluster's words


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """What is done about one trouble.

    Attributes:
        code: Of the cause, for programs.
        words: What is the matter, in the present.
        meanwhile: What to say while it may pass, where that is nothing unusual.
        limit: How long it may last.
        lost: In the end, a new attempt may succeed.
        endless: A limit of 0 means for ever.
    """

    code: ReasonCode
    words: str
    meanwhile: str = ""
    limit: Callable[[KubernetesSettings], timedelta]
    lost: bool = False
    endless: bool = False


_TABLE = {
    Trouble.IMAGE_NAME: _Row(
        code=ReasonCode.IMAGE_INVALID,
        words="{image} is not a valid image name",
        limit=lambda _: timedelta(0),
    ),
    Trouble.IMAGE_ABSENT: _Row(
        code=ReasonCode.IMAGE_PULL_FAILED,
        words="image {image} cannot be pulled",
        limit=lambda _: timedelta(0),
    ),
    Trouble.IMAGE_DENIED: _Row(
        code=ReasonCode.IMAGE_PULL_FAILED,
        words="image {image} cannot be pulled",
        limit=lambda s: s.image_missing_timeout,
    ),
    Trouble.IMAGE: _Row(
        code=ReasonCode.IMAGE_PULL_FAILED,
        words="image {image} cannot be pulled",
        limit=lambda s: s.image_timeout,
    ),
    Trouble.CONTAINER: _Row(
        code=ReasonCode.CONTAINER_START_FAILED,
        words="the container of {image} cannot be started",
        limit=lambda s: s.config_timeout,
    ),
    Trouble.UNSCHEDULABLE: _Row(
        code=ReasonCode.UNSCHEDULABLE,
        words="no node can take it",
        limit=lambda s: s.schedule_timeout,
        endless=True,
    ),
    Trouble.UNBOUND: _Row(
        code=ReasonCode.VOLUME_UNAVAILABLE,
        words="its volume cannot be provided",
        meanwhile="waiting for its volume",
        limit=lambda s: s.volume_timeout,
    ),
    Trouble.MOUNT: _Row(
        code=ReasonCode.VOLUME_UNAVAILABLE,
        words="a volume cannot be mounted",
        limit=lambda s: s.volume_timeout,
        lost=True,
    ),
    Trouble.QUOTA: _Row(
        code=ReasonCode.CLUSTER_QUOTA_FULL,
        words="a quota of the cluster has no room",
        limit=lambda s: s.quota_timeout,
        endless=True,
    ),
    Trouble.REFUSED: _Row(
        code=ReasonCode.POD_REFUSED,
        words="the cluster refuses to run it",
        limit=lambda s: s.refusal_timeout,
    ),
    Trouble.STALLED: _Row(
        code=ReasonCode.NODE_UNRESPONSIVE,
        words="its node does not start it",
        meanwhile="starting on its node",
        limit=lambda s: s.start_timeout,
        lost=True,
    ),
    Trouble.NODE_SILENT: _Row(
        code=ReasonCode.NODE_UNRESPONSIVE,
        words="its pod is to end and its node does not answer",
        meanwhile="waiting for its pod to end",
        limit=lambda s: s.node_timeout,
        lost=True,
    ),
}


def judge_trouble(
    troubled: Troubled,
    subject: Subject,
    *,
    since: datetime,
    now: datetime,
    settings: KubernetesSettings,
) -> Waiting | Ended:
    """Decide whether what holds a step up has lasted too long.

    Args:
        troubled: What does.
        subject: Which step.
        since: When it began.
        now: The time.
        settings: With the limits.
    """
    row = _TABLE[troubled.trouble]
    limit = row.limit(settings)
    words = row.words.format(image=troubled.image or subject.image)
    cause = shorten(troubled.cause)
    if row.endless and not limit:
        return _waiting(row, subject, words, cause)
    # A node's clock may be ahead of ours.
    if max(now - since, timedelta(0)) < limit:
        within = row.meanwhile or f"{words} (given up after {format_duration(limit)})"
        return _waiting(row, subject, within, cause)
    for_long = f"{words}, for {format_duration(limit)}" if limit else words
    message = _sentence(subject.name, for_long, cause)
    return failed(message, code=row.code, lost=row.lost)


def shorten(text: str) -> str:
    """Return the cluster's words on one line, cut to what people read."""
    line = " ".join(text.split())
    return line if len(line) <= _MOST else f"{line[:_MOST]}…"


def format_duration(duration: timedelta) -> str:
    """Write a duration for people: ``90 s``, ``15 min``, ``2 h``."""
    seconds = duration.total_seconds()
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"


def _waiting(row: _Row, subject: Subject, words: str, cause: str) -> Waiting:
    return Waiting(Reason(row.code, _sentence(subject.name, words, cause)))


def _sentence(name: str, words: str, cause: str) -> str:
    return f"{name}: {words}: {cause}" if cause else f"{name}: {words}"
