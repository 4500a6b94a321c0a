"""Reads and writes the rows of the call cache."""

import hashlib
import json
import zlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from tesk_model.identities import FileIdentity
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store import schema
from tesk_scheduler.adapters.store.schema import TASK, clean
from tesk_scheduler.domain.bounds import Retained
from tesk_scheduler.domain.call_cache import merged
from tesk_scheduler.domain.calls import CallRecord, NewCall

_C, _CALL = TASK.c, schema.CALL.c
_LOG, _BATCH = schema.EXECUTOR_LOG.c, schema.IDENTITY_BATCH.c
# Fastest: other writes wait for it.
_COMPRESSION = 1

# Built once: building costs more than running.
_CALL_OF = (
    select(schema.CALL)
    .join(TASK, _CALL.task_seq == _C.seq)
    .where(_C.id == bindparam("task"))
)
_DIGESTS = (
    select(_LOG.image_digest)
    .where(_LOG.task_seq == bindparam("row"))
    .order_by(_LOG.position)
)
_BATCHES = (
    select(_BATCH.body)
    .where(_BATCH.task_seq == bindparam("row"))
    .order_by(_BATCH.position)
)


def call_values(seq: int, call: NewCall) -> dict[str, Any]:
    """Return the columns of the call of a new task."""
    return {
        "task_seq": seq,
        "scope": clean(call.scope),
        "call_key": call.key,
        "problem": clean(call.problem),
        "inputs_identified": False,
        "outputs_identified": False,
        "identities": 0,
        "identity_bytes": 0,
        "reusable": False,
        "hit": False,
    }


def changing_call_values(call: CallRecord) -> dict[str, Any]:
    """Return the columns that can change."""
    return {
        "problem": clean(call.problem),
        "inputs_identified": call.inputs_identified,
        "outputs_identified": call.outputs_identified,
        "identities": call.identities.number,
        "identity_bytes": call.identities.size,
        "reusable": call.reusable,
        "candidate": call.candidate,
        "difference": None if call.difference is None else clean(call.difference),
        "hit": call.hit,
    }


def call_record_of(row: Row[*tuple[Any, ...]]) -> CallRecord:
    """Build a record from a row of the table."""
    return CallRecord(
        seq=row.task_seq,
        scope=row.scope,
        key=row.call_key,
        problem=row.problem,
        inputs_identified=row.inputs_identified,
        outputs_identified=row.outputs_identified,
        identities=Retained(row.identities, row.identity_bytes),
        reusable=row.reusable,
        candidate=None if row.candidate is None else TaskId(row.candidate),
        difference=row.difference,
        hit=row.hit,
    )


def read_call(connection: Connection, task_id: TaskId) -> CallRecord | None:
    """Read the call of a task."""
    row = connection.execute(_CALL_OF, {"task": task_id}).one_or_none()
    return None if row is None else call_record_of(row)


def read_image_digests(connection: Connection, seq: int) -> Sequence[str]:
    """Read the digests of a task's executors, in their order."""
    return list(connection.scalars(_DIGESTS, {"row": seq}))


def read_identities(connection: Connection, seq: int) -> Sequence[FileIdentity]:
    """Read the identities of a task's files, each once."""
    bodies = connection.scalars(_BATCHES, {"row": seq})
    return merged(map(_decode, bodies))


def batch_values(seq: int, files: Sequence[FileIdentity]) -> dict[str, Any]:
    """Return the columns of the identities of one call, but for the position."""
    rows = [
        [each.direction, each.url, each.path, each.size_bytes, each.identity]
        for each in files
    ]
    text = json.dumps(rows).encode()
    return {
        "task_seq": seq,
        "digest": hashlib.sha256(text).hexdigest(),
        "body": zlib.compress(text, _COMPRESSION),
    }


def _decode(body: bytes) -> Sequence[FileIdentity]:
    return [
        FileIdentity(
            direction=direction, url=url, path=path, size_bytes=size, identity=identity
        )
        for direction, url, path, size, identity in json.loads(zlib.decompress(body))
    ]
