"""Computes what a simulation shows: waits, shares and utilisation of each owner."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, inf

from tesk_cli.domain.simulation.simulator import JobResult
from tesk_scheduler.domain.dimensions import ASKED, Dimension
from tesk_scheduler.domain.quota import Quota

BINS = 60
"""Parts of the time, in a picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Seconds from submission to start."""

    mean: float
    p50: float
    p95: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerReport:
    """What one owner got.

    Attributes:
        never_started: Accepted, but could not start until the end.
        waits: Of those that started; None if none did.
        share: Part of all that was used of the dominant resource, from 0 to 1.
        utilisation: Part of the capacity that the owner used; None without one.
        timeline: Amount of the dominant resource in use, in each part of the time.
    """

    owner: str
    tasks: int
    refused: int
    never_started: int
    waits: Waits | None
    share: float
    utilisation: float | None
    timeline: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a simulation shows.

    Attributes:
        span: Seconds from the first submission to the last end.
        dominant: The resource of which most was used of what there is.
        capacity: Of it; None without bound.
        utilisation: By setting, the part that was used, where there is a bound.
        owners: By share, the largest first.
        total: Of all owners together.
        refusals: The most frequent reasons, with their numbers.
    """

    begin: float
    span: float
    dominant: Dimension
    capacity: float | None
    utilisation: dict[str, float]
    owners: Sequence[OwnerReport]
    total: OwnerReport
    refusals: Sequence[tuple[str, int]]


_REFUSALS = 5


def make_report(results: Sequence[JobResult], quota: Quota) -> Report:
    """Return what a simulation with at least one job shows."""
    begin = min(each.job.submitted for each in results)
    end = max(each.end or each.job.submitted for each in results)
    span = end - begin
    used = {each.column: _used(results, each) for each in ASKED}
    totals = {
        each.column: min(quota.capacity[each], quota.everybody[each]) for each in ASKED
    }
    parts = {
        each: used[each.column] / (totals[each.column] * span)
        for each in ASKED
        if 0 < totals[each.column] < inf and span
    }
    dominant = max(
        parts or dict.fromkeys(ASKED, 0.0), key=lambda each: parts.get(each, 0)
    )
    total = totals[dominant.column]
    scene = _Scene(
        begin=begin,
        span=span,
        dominant=dominant,
        capacity=total if total < inf else None,
        used=used[dominant.column],
    )
    owners = [scene.owner(name, list(own)) for name, own in _by_owner(results).items()]
    return Report(
        begin=begin,
        span=span,
        dominant=dominant,
        capacity=scene.capacity,
        utilisation={each.setting: part for each, part in parts.items()},
        owners=sorted(owners, key=lambda each: (-each.share, each.owner)),
        total=scene.owner("", results),
        refusals=_refusals(results),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """What all owners are compared with."""

    begin: float
    span: float
    dominant: Dimension
    capacity: float | None
    used: float

    def owner(self, name: str, results: Sequence[JobResult]) -> OwnerReport:
        used = _used(results, self.dominant)
        refused = sum(1 for each in results if each.refusal)
        waits = sorted(each.wait for each in results if each.wait is not None)
        room = (self.capacity or 0) * self.span
        return OwnerReport(
            owner=name,
            tasks=len(results),
            refused=refused,
            never_started=len(results) - refused - len(waits),
            waits=_waits(waits),
            share=used / self.used if self.used else 0.0,
            utilisation=used / room if room else None,
            timeline=self._timeline(results),
        )

    def _timeline(self, results: Iterable[JobResult]) -> Sequence[float]:
        width = self.span / BINS
        bins = [0.0] * BINS
        for each in results:
            if each.started is None or each.end is None or not width:
                continue
            amount = each.demand[self.dominant]
            start, end = each.started - self.begin, each.end - self.begin
            first, last = int(start / width), min(ceil(end / width), BINS)
            for index in range(first, last):
                part = min(end, (index + 1) * width) - max(start, index * width)
                bins[index] += amount * max(part, 0) / width
        return bins


def _by_owner(results: Iterable[JobResult]) -> dict[str, list[JobResult]]:
    owners: dict[str, list[JobResult]] = {}
    for each in results:
        owners.setdefault(each.job.owner, []).append(each)
    return owners


def _used(results: Iterable[JobResult], dimension: Dimension) -> float:
    """Add up amount times seconds."""
    return sum(
        each.demand[dimension] * each.job.run_time
        for each in results
        if each.started is not None
    )


def _waits(waits: Sequence[float]) -> Waits | None:
    if not waits:
        return None
    return Waits(
        mean=sum(waits) / len(waits),
        p50=_percentile(waits, 50),
        p95=_percentile(waits, 95),
        most=waits[-1],
    )


def _percentile(values: Sequence[float], percent: int) -> float:
    """Return the smallest value that so many percent do not exceed (nearest rank)."""
    return values[max(0, ceil(len(values) * percent / 100) - 1)]


def _refusals(results: Iterable[JobResult]) -> Sequence[tuple[str, int]]:
    counts: dict[str, int] = {}
    for each in results:
        if each.refusal:
            counts[each.refusal] = counts.get(each.refusal, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ordered[:_REFUSALS]
