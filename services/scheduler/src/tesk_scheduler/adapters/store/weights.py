"""How large tasks are, before anything of them is read.

Both databases tell the length of a value without reading the value.
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, literal, select

from tesk_scheduler.adapters.store import schema
from tesk_scheduler.adapters.store.octets import octets
from tesk_scheduler.adapters.store.schema import DOCUMENT, TASK
from tesk_scheduler.domain import bounds

_C = TASK.c
_EXECUTOR = schema.EXECUTOR_LOG.c
_ENTRY = schema.TASK_METADATA.c
_LINE = schema.SYSTEM_LOG.c


class Weight(NamedTuple):
    """Bytes of the parts of a task; without streams and lines unless read full."""

    document: int
    outputs: int
    entries: int
    executors: int
    streams: int = 0
    lines: int = 0

    @property
    def has_many_outputs(self) -> bool:
        """Tell whether there are more than are written today."""
        most = bounds.OUTPUT_FILES * bounds.OUTPUT_OVERHEAD + bounds.OUTPUTS_BYTES
        return self.outputs > most

    @property
    def has_long_streams(self) -> bool:
        """Tell whether there are longer ones than are written today."""
        return self.streams > bounds.STREAMS_BYTES

    @property
    def has_many_lines(self) -> bool:
        """Tell whether there are far more than are written today."""
        return self.lines > 2 * bounds.LINES_BYTES

    @property
    def total(self) -> int:
        """All of what is shown, in bytes, roughly."""
        return sum(self)


def weigh(
    connection: Connection, seqs: Collection[int], *, full: bool
) -> dict[int, Weight]:
    """Weigh tasks as they are shown, in FULL or in BASIC."""
    rows = connection.execute(_QUERIES[full], {"seqs": list(seqs)})
    return {seq: Weight(*parts) for seq, *parts in rows}


def fitting(
    seqs: Sequence[int], weights: dict[int, Weight], most: int
) -> Sequence[int]:
    """Return the first of ``seqs`` and those that follow while they fit."""
    total = 0
    for number, seq in enumerate(seqs):
        weight = weights.get(seq)
        total += weight.total if weight else 0
        if number and total > most:
            return seqs[:number]
    return seqs


def _query(*, full: bool) -> Any:
    overhead = literal(bounds.OUTPUT_OVERHEAD)
    parts: list[Any] = [
        func.length(DOCUMENT.c.body),
        _C.output_bytes + _C.output_files * overhead,
        _sum_of(octets(_ENTRY.key) + octets(_ENTRY.value), _ENTRY.task_seq),
        _sum_of(literal(bounds.EXECUTOR_OVERHEAD), _EXECUTOR.task_seq),
    ]
    if full:
        streams = func.length(_EXECUTOR.stdout) + func.length(_EXECUTOR.stderr)
        parts.append(_sum_of(streams, _EXECUTOR.task_seq))
        parts.append(_sum_of(octets(_LINE.line), _LINE.task_seq))
    return (
        select(_C.seq, *parts)
        .join(DOCUMENT, DOCUMENT.c.task_seq == _C.seq)
        .where(_C.seq.in_(schema.SEQS))
    )


def _sum_of(amount: ColumnElement[int], belongs_to: ColumnElement[int]) -> Any:
    total = func.coalesce(func.sum(amount), 0)
    return select(total).where(belongs_to == _C.seq).correlate(TASK).scalar_subquery()


# Built once: building costs more than running.
_QUERIES = {full: _query(full=full) for full in (False, True)}
