"""Lays out bar charts as shapes of SVG; pure.

A chart is drawn in a box of 100 by 100 that the page stretches; texts stand beside it,
so that they are never stretched. Each has its numbers as a table, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_GAP = 0.18  # of the width of a bar
_MIN_HEIGHT = 1.5  # what is not 0 can be seen
_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One rectangle; ``kind`` is the series that it belongs to."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The numbers of one colour, one for each interval.

    Attributes:
        kind: Names the colour.
    """

    kind: str
    values: Sequence[float]


def nice_top(largest: float) -> float:
    """Return the round number at which an axis ends: 1, 2, 2.5 or 5 times a power of 10.

    At least 1.
    """
    top = 1.0
    while True:
        for step in _STEPS:
            if largest <= step * top:
                return step * top
        top *= 10


_TIMES = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)


def nice_time(seconds: float) -> float:
    """Return the round time at which an axis of seconds ends, likewise."""
    known = next((each for each in _TIMES if seconds <= each), None)
    return known or 3600 * nice_top(seconds / 3600)


def stacked_bars(
    series: Sequence[Series], titles: Sequence[str], top: float
) -> list[Bar]:
    """Return the bars of all series, those of the first at the bottom.

    Args:
        series: All as long as ``titles``.
        titles: What is said of an interval.
        top: Of the axis, from ``nice_top``.
    """
    bars = []
    step = 100 / max(len(titles), 1)
    for index, title in enumerate(titles):
        below = 0.0
        for each in series:
            value = each.values[index]
            if value <= 0:
                continue
            height = max(100 * value / top, _MIN_HEIGHT)
            bars.append(
                Bar(
                    kind=each.kind,
                    x=round(step * (index + _GAP / 2), 3),
                    y=round(max(0.0, 100 - below - height), 3),
                    width=round(step * (1 - _GAP), 3),
                    height=round(height, 3),
                    title=title,
                )
            )
            below += height
    return bars
