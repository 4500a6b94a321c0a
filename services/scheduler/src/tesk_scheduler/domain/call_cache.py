"""Decides whether the results of one task may count for another: the call cache.

A *call* is what a task runs, on what, with what. Two tasks with the same key and scope
made the same call, as far as their documents tell. What only storage and registry know
is proved when the later one begins, by comparing the identities of files and images
with those that the earlier one, its *candidate*, left. In doubt a task runs.

A function that changes what is stored of a call returns it as it is afterwards.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tesk_model.identities import FileIdentity
from tesk_model.references import PREFIX
from tesk_model.task import TaskId
from tesk_model.text import elide
from tesk_scheduler.domain.bounds import KIB, MIB, Retained, size_of, truncated
from tesk_scheduler.domain.calls import (
    CacheScope,
    CallDescription,
    CallRecord,
    NewCall,
)
from tesk_scheduler.domain.quota import Demand
from tesk_scheduler.domain.records import TaskRecord

IDENTITIES, IDENTITIES_BYTES = 10_000, 4 * MIB
IDENTITIES_AT_ONCE = 1_000
DIFFERENCE_BYTES = 1 * KIB
_IDENTITY_OVERHEAD = 16  # of one, beside its texts
_NAME_LENGTH = 200


def scope_of(
    scope: CacheScope, owner: str, group: str | None, generation: str = ""
) -> str:
    """Return the name of those who share results with a task.

    Args:
        scope: Of the site.
        owner: Of the task.
        group: That is charged for it, if any.
        generation: Of the site's results; others than these are not shared.
    """
    name = f"owner {owner}"
    if scope is CacheScope.GROUP and group is not None:
        name = f"group {group}"
    # A list, which no name begins like: an owner may be called anything.
    return json.dumps([generation, name]) if generation else name


def new_call(description: CallDescription, scope: str, demand: Demand) -> NewCall:
    """Return the call of a new task that is charged ``demand``."""
    problem = _no_key_reason(description)
    key = "" if problem else key_of(description.fields, demand)
    return NewCall(scope=scope, key=key, problem=problem)


def key_of(fields: Mapping[str, str], demand: Demand) -> str:
    """Return the same digest for the same fields and demand, and no others."""
    canonical = json.dumps([sorted(fields.items()), list(demand)])
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def begun(call: CallRecord, candidate: TaskId | None) -> CallRecord:
    """Return the record of an attempt that begins."""
    return CallRecord(
        seq=call.seq,
        scope=call.scope,
        key=call.key,
        problem="" if call.key else call.problem,
        candidate=candidate,
    )


def wants_identities(call: CallRecord | None) -> bool:
    """Tell whether identities of the files of an attempt are of use."""
    return call is not None and bool(call.key) and not call.problem


def with_identities(call: CallRecord, files: Sequence[FileIdentity]) -> CallRecord:
    """Return the record with more files identified, or with what keeps it from reuse."""
    size = sum(map(_size_of, files))
    total = Retained(call.identities.number + len(files), call.identities.size + size)
    nameless = next((file for file in files if not file.identity), None)
    if nameless is not None:
        return replace(call, problem=describe_nameless(nameless))
    if total.number > IDENTITIES or total.size > IDENTITIES_BYTES:
        return replace(call, problem=TOO_MANY)
    return replace(call, identities=total)


def identified(call: CallRecord, *, inputs: bool) -> CallRecord:
    """Return the record with all files of one direction identified."""
    if inputs:
        return replace(call, inputs_identified=True)
    return replace(call, outputs_identified=True)


def checked(call: CallRecord, difference: str) -> CallRecord:
    """Return the record with the result of the check; the first one is final."""
    if call.candidate is None or call.difference is not None:
        return call
    return replace(call, difference=truncated(difference, DIFFERENCE_BYTES))


def rejected(call: CallRecord, difference: str) -> CallRecord:
    """Return the record of an attempt that goes on without its candidate."""
    why = difference or call.difference or "the check gave no result"
    return replace(call, difference=truncated(why, DIFFERENCE_BYTES))


def completed(
    call: CallRecord, record: TaskRecord, image_digests: Sequence[str]
) -> CallRecord:
    """Return the record of a task that ran and is COMPLETE.

    Args:
        call: Of the task.
        record: Of the task.
        image_digests: Of its executors; "" for those that are not known.
    """
    if not call.key:
        return call
    problem = call.problem or _not_reusable_reason(call, record, image_digests)
    return replace(call, problem=problem, reusable=not problem)


def took(call: CallRecord) -> CallRecord:
    """Return the record of a task that has the results of its candidate.

    Others do not take them from it, so that no result outlives the task that made it.
    """
    return replace(call, hit=True, reusable=False)


def may_take(
    call: CallRecord | None, other: CallRecord | None, candidate: TaskId
) -> bool:
    """Tell whether a task may have the results of another, as the check has found.

    Args:
        call: Of the task; None if there is none.
        other: Of the candidate, if it is there and COMPLETE.
        candidate: That its taskmaster names.
    """
    return (
        call is not None
        and call.candidate == candidate
        and call.difference == ""
        and is_equal_call(call, other)
    )


def is_equal_call(call: CallRecord, other: CallRecord | None) -> bool:
    """Tell whether ``other`` is a reusable task that made the same call."""
    return (
        other is not None
        and other.reusable
        and bool(call.key)
        and (call.scope, call.key) == (other.scope, other.key)
    )


def merged(batches: Iterable[Sequence[FileIdentity]]) -> Sequence[FileIdentity]:
    """Return each file once, as the last batch has it."""
    files = {
        (file.direction, file.url, file.path): file
        for batch in batches
        for file in batch
    }
    return list(files.values())


TOO_MANY = (
    f"it has more files than are identified of a task: at most {IDENTITIES:,} with"
    f" {IDENTITIES_BYTES // MIB} MiB of names"
)
NO_OUTPUTS = "it declares no outputs, so that nothing of it could be reused"


def describe_nameless(file: FileIdentity) -> str:
    """Say that the storage has no name for the content of a file."""
    kind = file.direction.removesuffix("s")
    path, url = (elide(text, _NAME_LENGTH) for text in (file.path, file.url))
    return (
        f"{kind} {path} ({url}) has no identity: its storage gives no strong ETag,"
        " version or checksum"
    )


def format_hit(candidate: TaskId) -> str:
    """Format the line of a task that has the results of another."""
    return (
        f"call cache: the results of task {candidate} count for this one, which has the"
        " same inputs, commands, images and resources; nothing was run"
    )


def format_miss(candidate: TaskId, difference: str) -> str:
    """Format the line of a task that could not have the results of another."""
    return f"call cache: the results of task {candidate} do not count: {difference}"


def format_gone(candidate: TaskId) -> str:
    """Format why another attempt follows one whose candidate is gone."""
    return f"the results of task {candidate}, which were to count, are gone"


def _no_key_reason(description: CallDescription) -> str:
    reference = next(
        (url for url in description.input_urls if url.startswith(PREFIX)), None
    )
    if reference is not None:
        url = elide(reference, _NAME_LENGTH)
        return f"input {url} is mounted reference data, whose content has no identity"
    return "" if description.outputs else NO_OUTPUTS


def _not_reusable_reason(
    call: CallRecord, record: TaskRecord, image_digests: Sequence[str]
) -> str:
    if record.inputs_finished and not call.inputs_identified:
        return "not all of its inputs were identified while they were transferred"
    if not (record.outputs_finished and call.outputs_identified):
        return "not all of its outputs were identified while they were transferred"
    if not image_digests:
        return "no executor has run"
    if "" in image_digests:
        index = list(image_digests).index("")
        return f"it is not known which image executors[{index}] ran"
    return ""


def _size_of(file: FileIdentity) -> int:
    texts = (file.url, file.path, file.identity)
    return _IDENTITY_OVERHEAD + sum(map(size_of, texts))
