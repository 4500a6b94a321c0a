"""Makes the plots of the load, each with its numbers as a table; pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tesk_api.domain.load import Load, LoadInterval
from tesk_api.http.web.charts import Bar, Series, nice_time, nice_top, stacked_bars
from tesk_model.progress import format_seconds
from tesk_model.quantities import format_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One plot.

    Attributes:
        top: Where the axis ends, in words.
        legend: Kind and name of each colour.
        header: Of the table.
        rows: Of the table, newest first.
        summary: The whole in a sentence.
    """

    id: str
    name: str
    top: str
    bars: Sequence[Bar]
    legend: Sequence[tuple[str, str]]
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """One colour of a plot, and one column of its table.

    Attributes:
        kind: Names the colour.
        height: Of its bar, above those of the columns before.
        text: Of its cell.
    """

    kind: str
    name: str
    height: Callable[[LoadInterval], float]
    text: Callable[[LoadInterval], str]


def _count(kind: str, name: str, value: Callable[[LoadInterval], int]) -> _Column:
    return _Column(
        kind=kind, name=name, height=value, text=lambda each: str(value(each))
    )


_ENDED = (
    _count("good", "complete", lambda each: each.complete),
    _count("bad", "failed", lambda each: each.failed),
    _count("idle", "canceled", lambda each: each.canceled),
)
_QUEUE = (_count("info", "in the queue", lambda each: each.waiting),)
_WAITS = (
    _Column(
        kind="warn",
        name="on average",
        height=lambda each: each.mean_wait,
        text=lambda each: format_seconds(each.mean_wait) if each.started else "",
    ),
    _Column(
        kind="pale",
        name="at most",
        height=lambda each: each.longest_wait - each.mean_wait,
        text=lambda each: format_seconds(each.longest_wait) if each.started else "",
    ),
)


def load_charts(load: Load) -> list[Chart]:
    """Return throughput, queue and waiting times of the intervals of ``load``."""
    if not load.intervals:
        return []
    width = load.intervals[0].end - load.intervals[0].start
    every = f"{width.total_seconds() / 60:.0f} minutes"
    return [
        _chart(
            load, "ended", f"Tasks that ended, per {every}", _ENDED, _sum_ended(load)
        ),
        _chart(load, "queue", "Tasks in the queue", _QUEUE, _sum_queue(load)),
        _chart(
            load,
            "waits",
            "Time in the queue, of tasks that started",
            _WAITS,
            _sum_waits(load),
            is_time=True,
        ),
    ]


def _sum_ended(load: Load) -> str:
    parts = [
        f"{sum(int(each.height(x)) for x in load.intervals):,} {each.name}"
        for each in _ENDED
    ]
    return ", ".join(parts)


def _sum_queue(load: Load) -> str:
    waiting = [each.waiting for each in load.intervals]
    return f"{waiting[-1]:,} now, at most {max(waiting):,}"


def _sum_waits(load: Load) -> str:
    started = sum(each.started for each in load.intervals)
    if not started:
        return "none started"
    waited = sum(each.mean_wait * each.started for each in load.intervals)
    longest = max(each.longest_wait for each in load.intervals)
    return (
        f"{started:,} started, after {format_seconds(waited / started)} on average"
        f" and {format_seconds(longest)} at most"
    )


def _chart(
    load: Load,
    chart_id: str,
    name: str,
    columns: Sequence[_Column],
    summary: str,
    *,
    is_time: bool = False,
) -> Chart:
    largest = max(sum(c.height(each) for c in columns) for each in load.intervals)
    top = nice_time(largest) if is_time else nice_top(largest)
    return Chart(
        id=chart_id,
        name=name,
        top=format_seconds(top) if is_time else format_number(top),
        bars=stacked_bars(
            [
                Series(kind=c.kind, values=[c.height(each) for each in load.intervals])
                for c in columns
            ],
            [_title(each, columns) for each in load.intervals],
            top,
        ),
        legend=[(c.kind, c.name) for c in columns],
        header=("From (UTC)", *(c.name for c in columns)),
        rows=[
            (f"{each.start:%H:%M}", *(c.text(each) for c in columns))
            for each in reversed(load.intervals)
        ],
        summary=summary,
    )


def _title(each: LoadInterval, columns: Sequence[_Column]) -> str:
    parts = (f"{c.text(each)} {c.name}" for c in columns if c.text(each))
    return f"{each.start:%H:%M} to {each.end:%H:%M} UTC: {', '.join(parts)}"
