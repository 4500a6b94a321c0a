"""The load of tasks in memory, as a fake scheduler tells it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from tesk.v1 import admin_service_pb2 as admin
from tesk.v1 import load_service_pb2 as pb
from tesk.v1 import task_pb2
from tesk.v1 import task_service_pb2 as rpc
from tesk_model.errors import InvalidRequestError, Violation
from tesk_runtime.rpc.documents import timestamp_to_wire

_HOURS = {0: 10, 1: 2, 6: 10, 24: 30}
"""Minutes of an interval, by hours."""

_ACTIVE = (
    task_pb2.TASK_STATE_INITIALIZING,
    task_pb2.TASK_STATE_RUNNING,
    task_pb2.TASK_STATE_CANCELING,
)
_FAILED = (task_pb2.TASK_STATE_EXECUTOR_ERROR, task_pb2.TASK_STATE_SYSTEM_ERROR)


def load_of(
    tasks: Iterable[task_pb2.Task],
    owners: Mapping[str, str],
    request: pb.GetLoadRequest,
) -> pb.GetLoadResponse:
    """Return the load of ``tasks``, all of which happened in the last interval."""
    if request.hours not in _HOURS:
        raise InvalidRequestError([Violation("hours", "must be 1, 6, 24")])
    now = datetime.now(UTC)
    seen = [
        each
        for each in tasks
        if request.caller.admin or owners[each.id] == request.caller.user
    ]
    failed = [each for each in reversed(seen) if each.state in _FAILED]
    causes = Counter(each.reason_code for each in failed)
    return pb.GetLoadResponse(
        read=timestamp_to_wire(now),
        owners=_owners(seen, owners, request.caller),
        capacity={"cpu": 8, "running": 100},
        intervals=_intervals(seen, now, _HOURS[request.hours], request.hours or 6),
        failures=[
            pb.FailureCount(reason_code=code, tasks=tasks)
            for code, tasks in causes.most_common()
        ],
        failed=[
            pb.FailedTask(
                id=each.id,
                name=each.name,
                owner=owners[each.id],
                state=each.state,
                reason_code=each.reason_code,
                ended=each.logs[0].end_time if each.logs else each.creation_time,
            )
            for each in failed[:10]
        ],
    )


def _owners(
    tasks: Iterable[task_pb2.Task], owners: Mapping[str, str], caller: rpc.Caller
) -> list[admin.SubjectQuota]:
    used: dict[str, Counter[str]] = {"": Counter(), caller.user: Counter()}
    for each in tasks:
        what = "running" if each.state in _ACTIVE else "queued"
        if each.state in _ACTIVE or each.state == task_pb2.TASK_STATE_QUEUED:
            used.setdefault(owners[each.id], Counter())[what] += 1
            used[""][what] += bool(owners[each.id])
    if not caller.admin and caller.user:
        return [_subject(caller.user, used[caller.user])]
    named = [_subject(name, used[name]) for name in sorted(used) if name and used[name]]
    return [_subject("", used[""]), *named]


def _subject(name: str, used: Counter[str]) -> admin.SubjectQuota:
    kind = admin.SUBJECT_KIND_USER if name else admin.SUBJECT_KIND_ALL
    return admin.SubjectQuota(subject=admin.Subject(kind=kind, name=name), used=used)


def _intervals(
    tasks: Iterable[task_pb2.Task], now: datetime, minutes: int, hours: int
) -> list[pb.LoadInterval]:
    width = timedelta(minutes=minutes)
    count = timedelta(hours=hours) // width
    found = [
        pb.LoadInterval(
            start=timestamp_to_wire(now - width * back),
            end=timestamp_to_wire(now - width * (back - 1)),
        )
        for back in range(count - 1, -1, -1)
    ]
    last = found[-1]
    for each in tasks:
        last.queued += 1
        last.complete += each.state == task_pb2.TASK_STATE_COMPLETE
        last.failed += each.state in _FAILED
        last.canceled += each.state == task_pb2.TASK_STATE_CANCELED
        last.waiting += each.state == task_pb2.TASK_STATE_QUEUED
    return found
