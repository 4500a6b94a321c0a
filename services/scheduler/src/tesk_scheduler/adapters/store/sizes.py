"""Computes the sizes of tasks in the statement that reads them.

Both databases return the length of a value without reading the value, so that a
document is read only if it fits.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, bindparam, func, literal, select

from tesk_scheduler.adapters.store import schema
from tesk_scheduler.adapters.store.octets import octets
from tesk_scheduler.adapters.store.schema import DOCUMENT, TASK
from tesk_scheduler.domain import bounds

_C = TASK.c
_EXECUTOR = schema.EXECUTOR_LOG.c
_ENTRY = schema.TASK_METADATA.c
_LINE = schema.SYSTEM_LOG.c
_SIZES = schema.INPUT_SIZES.c


class TaskSizes(NamedTuple):
    """Approximate bytes of the parts of a task that are shown; 0: there is none."""

    document: int
    outputs: int
    metadata: int
    executors: int
    lines: int
    input_sizes: int

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self)


LARGEST: Mapping[str, int] = {
    "outputs": bounds.OUTPUT_FILES * bounds.OUTPUT_OVERHEAD + bounds.OUTPUTS_BYTES,
    "executors": bounds.EXECUTORS * bounds.EXECUTOR_OVERHEAD + bounds.STREAMS_BYTES,
    "lines": 2 * bounds.LINES_BYTES,
}
"""The most that is written of some parts; an earlier release may have written more."""


def select_fitting(
    chosen: Select[Any], columns: tuple[ColumnElement[Any], ...], *, full: bool
) -> Select[Any]:
    """Select the newest of some tasks, and those that follow while they fit.

    Args:
        chosen: Selects the ``seq`` of tasks.
        columns: What to select of ``TASK`` and ``DOCUMENT``; the ``TaskSizes`` follow,
            and how many were chosen.
        full: Count what FULL shows, else what BASIC shows.

    Returns:
        Newest first; its parameter ``max_bytes``: how many bytes fit.
    """
    among = chosen.subquery()
    sizes = (
        select(_C.seq, *sizes_of(full=full))
        .join(among, among.c.seq == _C.seq)
        .join(DOCUMENT, DOCUMENT.c.task_seq == _C.seq)
        .subquery()
    )
    parts = [sizes.c[name] for name in TaskSizes._fields]
    total = sum(parts[1:], start=parts[0])
    newest_first = sizes.c.seq.desc()
    counted = select(
        sizes,
        func.sum(total).over(order_by=newest_first).label("so_far"),
        func.row_number().over(order_by=newest_first).label("place"),
        func.count().over().label("chosen"),
    ).subquery()
    return (
        select(
            *columns, *(counted.c[name] for name in TaskSizes._fields), counted.c.chosen
        )
        .join(counted, counted.c.seq == _C.seq)
        .join(DOCUMENT, DOCUMENT.c.task_seq == _C.seq)
        .where((counted.c.place == 1) | (counted.c.so_far <= bindparam("max_bytes")))
        .order_by(counted.c.seq.desc())
    )


def sizes_of(*, full: bool) -> list[ColumnElement[int]]:
    """Return the columns of ``TaskSizes`` for a query of ``TASK`` and ``DOCUMENT``."""
    executor: ColumnElement[int] = literal(bounds.EXECUTOR_OVERHEAD)
    if full:
        executor += func.length(_EXECUTOR.stdout) + func.length(_EXECUTOR.stderr)
    # One more byte for each entry and line, so that empty ones count.
    parts: dict[str, Any] = {
        "document": func.length(DOCUMENT.c.body),
        "outputs": _C.output_bytes + _C.output_files * literal(bounds.OUTPUT_OVERHEAD),
        "metadata": _sum_of(
            octets(_ENTRY.key) + octets(_ENTRY.value) + 1, _ENTRY.task_seq
        ),
        "executors": _sum_of(executor, _EXECUTOR.task_seq),
        "lines": _sum_of(octets(_LINE.line) + 1, _LINE.task_seq)
        if full
        else literal(0),
        # A message takes at most twice as much as a row.
        "input_sizes": _sum_of(2 * func.length(_SIZES.body), _SIZES.task_seq)
        if full
        else literal(0),
    }
    return [parts[name].label(name) for name in TaskSizes._fields]


def _sum_of(amount: ColumnElement[int], belongs_to: ColumnElement[int]) -> Any:
    total = func.coalesce(func.sum(amount), 0)
    return select(total).where(belongs_to == _C.seq).correlate(TASK).scalar_subquery()
