"""Converts what AdminService carries; ``tesk_runtime.rpc`` has what others share."""

from collections.abc import Iterable

from tesk.v1 import admin_service_pb2 as pb
from tesk_model.errors import InvalidRequestError, Violation
from tesk_model.states import TaskState
from tesk_runtime.rpc.documents import timestamp_from_wire, timestamp_to_wire
from tesk_runtime.rpc.wire import state_from_wire, state_to_wire
from tesk_scheduler.domain.holds import Hold
from tesk_scheduler.domain.quota import Subject, SubjectKind
from tesk_scheduler.domain.verification import Finding
from tesk_scheduler.usecases.admin.taskmasters import ListedTaskmaster
from tesk_scheduler.usecases.mass_cancellation import CancelFilter
from tesk_scheduler.usecases.task_results import TaskResult

MAX_FINDINGS = 1000
_MAX_TAGS = 100
_KINDS = {
    SubjectKind.ALL: pb.SUBJECT_KIND_ALL,
    SubjectKind.USER: pb.SUBJECT_KIND_USER,
    SubjectKind.GROUP: pb.SUBJECT_KIND_GROUP,
    SubjectKind.NAMESPACE: pb.SUBJECT_KIND_NAMESPACE,
}
_KIND_OF = {number: kind for kind, number in _KINDS.items()}


def subject_to_wire(subject: Subject) -> pb.Subject:
    """Convert a subject."""
    return pb.Subject(
        kind=_KINDS[subject.kind], name=subject.name, gpu_type=subject.gpu_type
    )


def subject_from_wire(subject: pb.Subject) -> Subject:
    """Convert a subject.

    Raises:
        InvalidRequestError: Its kind is not given, or not known here.
    """
    kind = _KIND_OF.get(subject.kind)
    if kind is None:
        problem = "must be ALL, USER, GROUP or NAMESPACE"
        raise InvalidRequestError([Violation("subject.kind", problem)])
    return Subject(kind, subject.name)


def hold_to_wire(hold: Hold | None) -> pb.Hold | None:
    """Convert a hold, if there is one."""
    if hold is None:
        return None
    return pb.Hold(
        subject=subject_to_wire(hold.subject),
        reason=hold.reason,
        operator=hold.operator,
        since=timestamp_to_wire(hold.since),
    )


def results_to_wire(results: Iterable[TaskResult]) -> list[pb.TaskResult]:
    """Convert what became of tasks."""
    return [
        pb.TaskResult(
            task_id=each.task_id,
            problem=each.problem,
            state=state_to_wire(each.state),
            attempt=each.attempt,
        )
        for each in results
    ]


def taskmaster_to_wire(listed: ListedTaskmaster) -> pb.TaskmasterStatus:
    """Convert a taskmaster."""
    status = pb.TaskmasterStatus(
        id=listed.id, state=listed.state.value, message=listed.message
    )
    member = listed.member
    if member is not None:
        status.slots, status.assigned = member.slots, member.assigned
        status.revision = member.revision
        status.started.CopyFrom(timestamp_to_wire(member.started_at))
        status.lease_until.CopyFrom(timestamp_to_wire(member.lease_until))
    return status


def filter_from_wire(request: pb.CancelTasksRequest) -> CancelFilter:
    """Convert a filter.

    Raises:
        InvalidRequestError: It has no condition and ``all`` is not set, or too many.
    """
    wanted = request.filter
    if len(wanted.tags) > _MAX_TAGS:  # each is a query of its own
        problem = f"must be at most {_MAX_TAGS}, not {len(wanted.tags)}"
        raise InvalidRequestError([Violation("filter.tags", problem)])
    found = CancelFilter(
        owner=wanted.owner if wanted.HasField("owner") else None,
        state=_state(wanted.state),
        tags=tuple(sorted(wanted.tags.items())),
        name_prefix=wanted.name_prefix,
        created_before=timestamp_from_wire(wanted.created_before)
        if wanted.HasField("created_before")
        else None,
    )
    if found.is_empty and not request.all:
        problem = "has no condition; give one, or say that all tasks are meant"
        raise InvalidRequestError([Violation("filter", problem)])
    return found


def findings_to_wire(findings: list[Finding]) -> pb.VerifyResponse:
    """Convert findings; what is too many is counted."""
    return pb.VerifyResponse(
        findings=[
            pb.Finding(
                kind=each.kind.value,
                name=each.name,
                text=each.text,
                repair=each.repair,
                fixed=each.fixed,
            )
            for each in findings[:MAX_FINDINGS]
        ],
        more=max(0, len(findings) - MAX_FINDINGS),
    )


def _state(number: int) -> TaskState | None:
    return state_from_wire(number) if number else None
