"""Defines the tables of the task store.

Frequently read columns are apart from the document, so that filters and
MINIMAL views never read it. Times are microseconds since 1970: integers read
and compare fastest, on both databases. Texts that a client chose are indexed
in a bounded form (``index_form``), since PostgreSQL limits an index entry.
"""

from tesk_scheduler.adapters.store.schema.columns import (
    INDEXED_LENGTH,
    METADATA,
    STATE_NUMBERS,
    STATES,
    clean,
    index_form,
)
from tesk_scheduler.adapters.store.schema.parts import (
    CALL,
    DOCUMENT,
    EXECUTOR_LOG,
    IDENTITY_BATCH,
    INPUT_SIZES,
    OUTPUT_FILE,
    STATE_CHANGE,
    SYSTEM_LOG,
    TAG,
    TASK_METADATA,
    TRANSFER,
)
from tesk_scheduler.adapters.store.schema.service import (
    HOLD,
    LEADER,
    LINE_PART,
    PROBE,
    TASKMASTER,
    USAGE,
    USAGE_HISTORY,
)
from tesk_scheduler.adapters.store.schema.task import (
    IS_EXPLAINED,
    IS_QUEUED,
    TASK,
)

__all__ = [
    "CALL",
    "DOCUMENT",
    "EXECUTOR_LOG",
    "HOLD",
    "IDENTITY_BATCH",
    "INDEXED_LENGTH",
    "INPUT_SIZES",
    "IS_EXPLAINED",
    "IS_QUEUED",
    "LEADER",
    "LINE_PART",
    "METADATA",
    "OUTPUT_FILE",
    "PROBE",
    "STATES",
    "STATE_CHANGE",
    "STATE_NUMBERS",
    "SYSTEM_LOG",
    "TAG",
    "TASK",
    "TASKMASTER",
    "TASK_METADATA",
    "TRANSFER",
    "USAGE",
    "USAGE_HISTORY",
    "clean",
    "index_form",
]
