"""Compares what an executor used with what its task is charged; pure."""

from dataclasses import dataclass

from tesk_model.progress import format_seconds
from tesk_model.quantities import bytes_from_gib, format_bytes, format_number
from tesk_model.task import ExecutorLog, Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageBar:
    """One amount.

    Attributes:
        text: ``0.9 of 2 cores, 41 s of CPU``.
        part: 0 to 100, of what is charged; None if that is not known.
    """

    name: str
    text: str
    part: float | None


def usage_bars(log: ExecutorLog, charged: Resources | None) -> list[UsageBar]:
    """Return what is known of the use of CPU and memory; nothing while it runs."""
    return [
        bar for bar in (_cpu(log, charged), _memory(log, charged)) if bar is not None
    ]


def _cpu(log: ExecutorLog, charged: Resources | None) -> UsageBar | None:
    if log.cpu_seconds is None or log.start_time is None or log.end_time is None:
        return None
    total = f"{format_seconds(log.cpu_seconds)} of CPU"
    seconds = (log.end_time - log.start_time).total_seconds()
    if seconds <= 0:
        return UsageBar(name="CPU", text=total, part=None)
    used = round(log.cpu_seconds / seconds, 2)
    most = charged.cpu_cores if charged else None
    if not most:
        text = f"{format_number(used)} cores, {total}"
        return UsageBar(name="CPU", text=text, part=None)
    noun = "core" if most == 1 else "cores"
    text = f"{format_number(used)} of {format_number(most)} {noun}, {total}"
    return UsageBar(name="CPU", text=text, part=_part(used / most))


def _memory(log: ExecutorLog, charged: Resources | None) -> UsageBar | None:
    if log.max_memory_bytes is None:
        return None
    used = format_bytes(log.max_memory_bytes)
    most = charged.ram_gb if charged else None
    if not most:
        return UsageBar(name="Memory", text=used, part=None)
    count = bytes_from_gib(most)
    return UsageBar(
        name="Memory",
        text=f"{used} of {format_bytes(count)}",
        part=_part(log.max_memory_bytes / count),
    )


def _part(ratio: float) -> float:
    return round(100 * min(ratio, 1), 2)
