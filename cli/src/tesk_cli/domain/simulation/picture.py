"""Draws a simulation: blocks for a terminal, and SVG."""

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from tesk_cli.domain.simulation.report import BINS, OwnerReport, Report
from tesk_model.text import escape_line

_BLOCKS = " ▁▂▃▄▅▆▇█"
_WIDTH, _HEIGHT, _LEFT, _TOP, _LINE = 720, 240, 60, 30, 18
_MOST_OWNERS = 10
# Distinct also for the color-blind: Okabe and Ito, 2008; the last is for others.
_COLORS = (
    *("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9"),
    *("#d55e00", "#f0e442", "#000000", "#8c564b", "#17becf"),
    "#aaaaaa",
)


def draw_blocks(timeline: Sequence[float], top: float) -> str:
    """Draw a line of blocks; the highest one stands for ``top``."""
    if top <= 0:
        return _BLOCKS[0] * len(timeline)
    most = len(_BLOCKS) - 1
    return "".join(
        _BLOCKS[min(most, max(round(most * value / top), 1 if value else 0))]
        for value in timeline
    )


def draw_svg(report: Report) -> str:
    """Draw what each owner used over time, stacked, and the capacity as a line."""
    layers = _layers(report)
    top = max([report.capacity or 0, *report.total.timeline]) or 1.0
    height = _TOP + _HEIGHT + 40 + _LINE * len(layers)
    parts = [
        (
            '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif"'
            f' font-size="12" width="{_LEFT + _WIDTH + 20}" height="{height}">'
        ),
        '<rect width="100%" height="100%" fill="white"/>',
        (
            f'<text x="{_LEFT}" y="20">{escape(report.dominant.noun)} in use over'
            f" {_hours(report.span)}</text>"
        ),
        *_bars(layers, top),
        *_axes(report, top),
        *_legend(layers),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _layers(report: Report) -> list[tuple[str, Sequence[float]]]:
    shown = report.owners[:_MOST_OWNERS]
    layers = [(_title(each), each.timeline) for each in shown]
    others = report.owners[_MOST_OWNERS:]
    if others:
        sums = [
            sum(values) for values in zip(*(o.timeline for o in others), strict=True)
        ]
        layers.append((f"{len(others)} others", sums))
    return layers


def _title(owner: OwnerReport) -> str:
    name = escape_line(owner.owner) or "(no name)"
    return f"{name}: {owner.share:.0%}"


def _bars(layers: Sequence[tuple[str, Sequence[float]]], top: float) -> list[str]:
    width = _WIDTH / BINS
    bars = []
    below = [0.0] * BINS
    for color, (title, timeline) in zip(_COLORS, layers, strict=False):
        bars.append(f"<g fill={quoteattr(color)}><title>{escape(title)}</title>")
        for index, value in enumerate(timeline):
            if not value:
                continue
            y = _y(below[index] + value, top)
            height = _HEIGHT * value / top
            x = _LEFT + index * width
            bars.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}"'
                f' height="{height:.1f}"/>'
            )
            below[index] += value
        bars.append("</g>")
    return bars


def _axes(report: Report, top: float) -> list[str]:
    bottom, right = _TOP + _HEIGHT, _LEFT + _WIDTH
    text = report.dominant.unit.format
    lines = [
        f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}" fill="none" stroke="black"/>',
        f'<text x="{_LEFT - 6}" y="{bottom}" text-anchor="end">0</text>',
        f'<text x="{_LEFT - 6}" y="{_TOP + 10}" text-anchor="end">{text(top)}</text>',
        f'<text x="{_LEFT}" y="{bottom + 16}">0</text>',
        (
            f'<text x="{right}" y="{bottom + 16}" text-anchor="end">'
            f"{_hours(report.span)}</text>"
        ),
    ]
    if report.capacity:
        y = _y(report.capacity, top)
        lines.append(
            f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="black" stroke-dasharray="4"/>'
        )
    return lines


def _legend(layers: Sequence[tuple[str, Sequence[float]]]) -> list[str]:
    lines = []
    y = _TOP + _HEIGHT + 40
    for color, (title, _) in zip(_COLORS, layers, strict=False):
        lines += [
            f'<rect x="{_LEFT}" y="{y - 10}" width="12" height="12" fill="{color}"/>',
            f'<text x="{_LEFT + 18}" y="{y}">{escape(title)}</text>',
        ]
        y += _LINE
    return lines


def _y(value: float, top: float) -> float:
    return _TOP + _HEIGHT * (1 - value / top)


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:.0f} s"  # noqa: PLR2004 - of an hour
