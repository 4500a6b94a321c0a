"""The life of a pod on its node, as a function of time. Pure.

As a kubelet has it: init containers follow each other, and the regular containers
start together when the last one has ended. Where a container begins with TESK's
launcher and waits for a turn, its command begins when the steps before have ended; a
filer of both transfers has two turns.
Every command succeeds; ``sleep N`` takes N seconds, and a filer takes as long as
``Pace`` says; only what inspects an image prints something. A deleted pod's commands end by SIGTERM at once.

Moments are seconds of one clock, such as those of ``time.time``.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

NEVER = math.inf
_LAUNCHER = "/.tesk/launcher"
_TURN, _THEN, _AFTER = "--turn", "--then", "--after"
_INSPECT = "--inspect"
_EMPTY_IMAGE = "occupied:\n"  # what a launcher says of an image without files there
_END_OF_OPTIONS = "--"
_FILERS = ("in", "out", "filer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long things take, in seconds.

    Attributes:
        start: A container, from when it may start until it runs.
        transfer: A filer.
    """

    start: float = 0.5
    transfer: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What counts of a container.

    Attributes:
        seconds: How long its command takes.
        step: That it has; the first, if there are two.
        then: The second; "" for none.
        after: The steps that it waits for, before the second if there is one.
        has_report: Its launcher leaves a report.
        printed: What it prints.
        is_init: One of those before the regular ones.
    """

    name: str
    image: str
    seconds: float
    step: str
    then: str
    after: Sequence[str]
    has_report: bool
    printed: str
    is_init: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """When a container runs.

    Attributes:
        started: Its container; ``NEVER`` if it was stopped before.
        began: Its command, after its turn has come.
        ended: The end of both.
        was_stopped: It did not end by itself.
    """

    started: float
    began: float
    ended: float
    was_stopped: bool = False


def containers_of(spec: Mapping[str, Any], step: str, pace: Pace) -> list[Container]:
    """Read the containers of a pod, init containers first.

    Args:
        spec: Of the pod.
        step: Of TESK, whose pod it is; ``pod`` for several.
        pace: How long a filer takes.
    """
    return [
        _container(given, step, pace, is_init=is_init)
        for key, is_init in (("initContainers", True), ("containers", False))
        for given in spec.get(key) or ()
    ]


def _container(
    given: Mapping[str, Any], step: str, pace: Pace, *, is_init: bool
) -> Container:
    words = [*(given.get("command") or ()), *(given.get("args") or ())]
    has_launcher = words[:1] == [_LAUNCHER]
    name = given["name"] if step == "pod" else step
    is_filer = name.partition("-")[0] in _FILERS
    return Container(
        name=given["name"],
        image=given["image"],
        seconds=pace.transfer if is_filer else _command_seconds(words),
        step=next(iter(_options(words, _TURN)), given["name"]),
        then=next(iter(_options(words, _THEN)), ""),
        after=_options(words, _AFTER) if has_launcher else (),
        has_report=has_launcher,
        printed=_EMPTY_IMAGE if _INSPECT in words else "",
        is_init=is_init,
    )


def _options(words: Sequence[str], name: str) -> Sequence[str]:
    options = words[: words.index(_END_OF_OPTIONS)] if _END_OF_OPTIONS in words else ()
    return [options[at + 1] for at, word in enumerate(options) if word == name]


def _command_seconds(words: Sequence[str]) -> float:
    match list(words[-2:]):
        case ["sleep", seconds]:
            return float(seconds)
    return 0.0


def spans(
    containers: Sequence[Container],
    pace: Pace,
    *,
    bound: float,
    stopped: float = NEVER,
) -> dict[str, Span]:
    """Return when each container of a pod runs.

    Args:
        containers: Of the pod, init containers first.
        pace: How long a start takes.
        bound: When its node got it.
        stopped: When its deletion was asked for.
    """
    found: dict[str, Span] = {}
    ends: dict[str, float] = {}  # by step
    free = bound  # when the next may start
    for container in containers:
        started = free + pace.start
        after = () if container.then else container.after
        began = max([started, *(ends[step] for step in after if step in ends)])
        ended = ends[container.step] = began + container.seconds
        found[container.name] = Span(started=started, began=began, ended=ended)
        if container.is_init:
            free = ended
    for container in containers:
        if container.then:
            turn = max(ends[step] for step in (container.step, *container.after))
            ended = turn + container.seconds
            found[container.name] = replace(found[container.name], ended=ended)
    return {name: _until(span, stopped) for name, span in found.items()}


def _until(span: Span, stopped: float) -> Span:
    if span.ended <= stopped:
        return span
    if span.started > stopped:
        return Span(started=NEVER, began=NEVER, ended=stopped, was_stopped=True)
    return Span(
        started=span.started,
        began=min(span.began, stopped),
        ended=stopped,
        was_stopped=True,
    )


def changes(found: Mapping[str, Span], bound: float) -> Sequence[float]:
    """Return when something about a pod changes that its node tells, in order."""
    return sorted({bound, *_moments(found)} - {NEVER})


def _moments(found: Mapping[str, Span]) -> Iterator[float]:
    for span in found.values():
        yield span.started
        yield span.ended


def end_of(found: Mapping[str, Span]) -> float:
    """Return when all containers of a pod have ended."""
    return max(span.ended for span in found.values())
