"""Reads the beginning of what is too large to be shown whole.

Only a release without bounds can have written it. What fits is shown, and a line
reports how much is omitted.
"""

from typing import Any

from sqlalchemy import Connection, case, func, select

from tesk_model.task import OutputFileLog
from tesk_scheduler.adapters.store import schema
from tesk_scheduler.adapters.store.schema import TASK
from tesk_scheduler.domain import bounds
from tesk_scheduler.domain.records import StoredExecutorLog, StoredTask

_EXECUTOR = schema.EXECUTOR_LOG.c
_OUTPUT = schema.OUTPUT_FILE.c
_LINE = schema.SYSTEM_LOG.c
_AT_ONCE = 1000


def add_outputs(connection: Connection, task: StoredTask) -> None:
    """Add the first outputs, and count the others."""
    query = (
        select(_OUTPUT.url, _OUTPUT.path, _OUTPUT.size)
        .where(_OUTPUT.task_seq == task.seq)
        .order_by(_OUTPUT.position)
        .limit(bounds.OUTPUT_FILES)
    )
    used = 0
    with connection.execution_options(yield_per=_AT_ONCE).execute(query) as rows:
        for url, path, size in rows:
            used += bounds.size_of(url) + bounds.size_of(path) + bounds.OUTPUT_OVERHEAD
            if used > bounds.OUTPUTS_BYTES:
                break
            file = OutputFileLog(url=url, path=path, size_bytes=size)
            task.outputs.append(file)
    count = select(TASK.c.output_files).where(TASK.c.seq == task.seq)
    task.unlisted += int(connection.scalar(count) or 0) - len(task.outputs)


def add_executors(connection: Connection, task: StoredTask) -> None:
    """Add executors with the ends of their streams."""
    query = (
        select(
            _EXECUTOR.position,
            _EXECUTOR.started,
            _EXECUTOR.ended,
            _EXECUTOR.exit_code,
            _EXECUTOR.cpu,
            _EXECUTOR.max_memory,
            _end(_EXECUTOR.stdout),
            _end(_EXECUTOR.stderr),
        )
        .where(_EXECUTOR.task_seq == task.seq)
        .order_by(_EXECUTOR.position)
        .limit(bounds.EXECUTORS)
    )
    for position, *values, stdout, stderr in connection.execute(query):
        most = min(bounds.stream_bytes(position), bounds.LATER_STREAM_BYTES)
        streams = (stream[-most:] if most else b"" for stream in (stdout, stderr))
        task.executors.append(StoredExecutorLog(position, *values, *streams))
    task.lines.append(
        f"of each stream only the last {bounds.LATER_STREAM_BYTES // bounds.KIB} KiB "
        "are shown: all of them are larger than an answer"
    )


def add_lines(connection: Connection, task: StoredTask) -> None:
    """Add the first lines, truncated."""
    query = (
        select(func.substr(_LINE.line, 1, bounds.LINE_BYTES))
        .where(_LINE.task_seq == task.seq)
        .order_by(_LINE.position)
    )
    used = 0
    with connection.execution_options(yield_per=_AT_ONCE).execute(query) as rows:
        for (line,) in rows:
            used += bounds.size_of(line)
            if used > bounds.LINES_BYTES:
                break
            task.lines.append(line)
    task.lines.append(bounds.LINES_LEFT_OUT)


def _end(stream: Any) -> Any:
    most = bounds.LATER_STREAM_BYTES
    start = func.length(stream) - most + 1
    return case((start > 1, func.substr(stream, start)), else_=stream)
