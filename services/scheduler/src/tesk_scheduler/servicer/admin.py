"""Implements AdminService, which `tesk admin` calls."""

from dataclasses import dataclass

import grpc

from tesk.v1 import admin_service_pb2 as pb
from tesk.v1 import admin_service_pb2_grpc as pb_grpc
from tesk_model.errors import InvalidRequestError, Violation
from tesk_model.task import TaskId
from tesk_scheduler.domain.callers import Caller
from tesk_scheduler.ports.quota import QuotaCheck
from tesk_scheduler.ports.store import TaskStore
from tesk_scheduler.servicer import admin_wire as wire
from tesk_scheduler.servicer import letters_wire, quota_wire
from tesk_scheduler.usecases.admin.archive import Exporting, Importing, LinePart
from tesk_scheduler.usecases.admin.checks import check_operator
from tesk_scheduler.usecases.admin.dead_letters import DeadLetterActions
from tesk_scheduler.usecases.admin.expiry import Expiry
from tesk_scheduler.usecases.admin.holding import Holding
from tesk_scheduler.usecases.admin.overview import read_overview
from tesk_scheduler.usecases.admin.priorities import Priorities
from tesk_scheduler.usecases.admin.quota_view import QuotaView
from tesk_scheduler.usecases.admin.requeueing import Requeueing
from tesk_scheduler.usecases.admin.taskmasters import Taskmasters
from tesk_scheduler.usecases.admin.verification import Verification
from tesk_scheduler.usecases.mass_cancellation import MassCancellation

_MAX_MESSAGE = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminUseCases:
    """What operators can ask for."""

    store: TaskStore
    holding: Holding
    requeueing: Requeueing
    cancellation: MassCancellation
    taskmasters: Taskmasters
    verification: Verification
    exporting: Exporting
    importing: Importing
    expiry: Expiry
    quota_view: QuotaView
    check_quota: QuotaCheck
    priorities: Priorities
    dead_letters: DeadLetterActions


class AdminServicer(pb_grpc.AdminServiceServicer):
    """See ``admin_service.proto``."""

    def __init__(self, use_cases: AdminUseCases) -> None:
        self._do = use_cases

    def GetStatus(
        self, request: pb.GetStatusRequest, context: grpc.ServicerContext
    ) -> pb.GetStatusResponse:
        """Read the state of the whole service."""
        check_operator(request.operator)
        found = read_overview(self._do.store)
        holds = (wire.hold_to_wire(each) for each in found.holds)
        return pb.GetStatusResponse(
            holds=[each for each in holds if each is not None],
            queued=found.queued,
            running=found.running,
            unreleased=found.unreleased,
            taskmasters=found.taskmasters,
            leader=found.leader.holder if found.leader else "",
            epoch=found.leader.epoch if found.leader else 0,
        )

    def PutHold(
        self, request: pb.PutHoldRequest, context: grpc.ServicerContext
    ) -> pb.PutHoldResponse:
        """Hold a subject."""
        hold, replaced = self._do.holding.put(
            request.operator,
            wire.subject_from_wire(request.subject),
            request.reason,
            dry_run=request.dry_run,
        )
        return pb.PutHoldResponse(
            hold=wire.hold_to_wire(hold), replaced=wire.hold_to_wire(replaced)
        )

    def RemoveHold(
        self, request: pb.RemoveHoldRequest, context: grpc.ServicerContext
    ) -> pb.RemoveHoldResponse:
        """Release a subject."""
        removed = self._do.holding.remove(
            request.operator,
            wire.subject_from_wire(request.subject),
            dry_run=request.dry_run,
        )
        return pb.RemoveHoldResponse(removed=wire.hold_to_wire(removed))

    def GetQuota(
        self, request: pb.GetQuotaRequest, context: grpc.ServicerContext
    ) -> pb.GetQuotaResponse:
        """Read one page of limits and usage."""
        check_operator(request.operator)
        return quota_wire.page_to_wire(self._do.quota_view.page(request.cursor))

    def CheckQuota(
        self, request: pb.CheckQuotaRequest, context: grpc.ServicerContext
    ) -> pb.CheckQuotaResponse:
        """Compare the text of a quota with what is in force."""
        check_operator(request.operator)
        return quota_wire.comparison_to_wire(self._do.check_quota(request.text))

    def SetPriority(
        self, request: pb.SetPriorityRequest, context: grpc.ServicerContext
    ) -> pb.SetPriorityResponse:
        """Set the priority of tasks."""
        results = self._do.priorities.set(
            request.operator,
            [TaskId(each) for each in request.task_ids],
            request.priority,
            dry_run=request.dry_run,
        )
        return pb.SetPriorityResponse(results=wire.results_to_wire(results))

    def ListTaskmasters(
        self, request: pb.ListTaskmastersRequest, context: grpc.ServicerContext
    ) -> pb.ListTaskmastersResponse:
        """List taskmasters."""
        check_operator(request.operator)
        found = self._do.taskmasters.list()
        return pb.ListTaskmastersResponse(
            taskmasters=map(wire.taskmaster_to_wire, found.taskmasters),
            problem=found.problem,
        )

    def DrainTaskmaster(
        self, request: pb.DrainTaskmasterRequest, context: grpc.ServicerContext
    ) -> pb.DrainTaskmasterResponse:
        """Drain a taskmaster."""
        drained = self._do.taskmasters.drain(
            request.operator, request.taskmaster_id, dry_run=request.dry_run
        )
        return pb.DrainTaskmasterResponse(taskmaster=wire.taskmaster_to_wire(drained))

    def RequeueTasks(
        self, request: pb.RequeueTasksRequest, context: grpc.ServicerContext
    ) -> pb.RequeueTasksResponse:
        """Requeue tasks."""
        results = self._do.requeueing.requeue(
            request.operator,
            [TaskId(each) for each in request.task_ids],
            request.reason,
            dry_run=request.dry_run,
        )
        return pb.RequeueTasksResponse(results=wire.results_to_wire(results))

    def CancelTasks(
        self, request: pb.CancelTasksRequest, context: grpc.ServicerContext
    ) -> pb.CancelTasksResponse:
        """Cancel one page of tasks."""
        check_operator(request.operator)
        page = self._do.cancellation.cancel(
            Caller(user=request.operator, admin=True),
            wire.filter_from_wire(request),
            request.cursor,
            dry_run=request.dry_run,
        )
        return pb.CancelTasksResponse(
            results=wire.results_to_wire(page.results), next_cursor=page.next_cursor
        )

    def Verify(
        self, request: pb.VerifyRequest, context: grpc.ServicerContext
    ) -> pb.VerifyResponse:
        """Find and repair disagreements."""
        findings = self._do.verification.verify(
            request.operator, fix=request.fix, cluster=request.cluster
        )
        return wire.findings_to_wire(findings)

    def ExportTasks(
        self, request: pb.ExportTasksRequest, context: grpc.ServicerContext
    ) -> pb.ExportTasksResponse:
        """Read the next part of an export."""
        part = self._do.exporting.part(request.operator, request.cursor)
        return pb.ExportTasksResponse(**part._asdict())

    def ImportTasks(
        self, request: pb.ImportTasksRequest, context: grpc.ServicerContext
    ) -> pb.ImportTasksResponse:
        """Begin an import, or store lines or a part of one."""
        if request.ByteSize() > _MAX_MESSAGE:
            problem = f"must be at most {_MAX_MESSAGE} bytes together"
            raise InvalidRequestError([Violation("lines", problem)])
        importing, operator = self._do.importing, request.operator
        if request.header:
            importing.begin(
                operator,
                request.header,
                allow_tasks=request.allow_tasks,
                dry_run=request.dry_run,
            )
            return pb.ImportTasksResponse()
        if request.HasField("part"):
            part = request.part
            count = importing.part(
                operator, LinePart(part.digest, part.index, part.data, part.last)
            )
        else:
            count = importing.lines(operator, request.lines)
        return pb.ImportTasksResponse(imported=count.imported, present=count.present)

    def RunRetention(
        self, request: pb.RunRetentionRequest, context: grpc.ServicerContext
    ) -> pb.RunRetentionResponse:
        """Delete one batch of expired tasks."""
        result = self._do.expiry.run(request.operator, dry_run=request.dry_run)
        return pb.RunRetentionResponse(tasks=result.tasks, has_more=result.has_more)

    def ListDeadLetters(
        self, request: pb.ListDeadLettersRequest, context: grpc.ServicerContext
    ) -> pb.ListDeadLettersResponse:
        """List one page of dead letters."""
        page = self._do.dead_letters.page(
            request.operator,
            letters_wire.selection_from_wire(request.filter),
            request.cursor,
        )
        return letters_wire.page_to_wire(page)

    def RetryDeadLetters(
        self, request: pb.RetryDeadLettersRequest, context: grpc.ServicerContext
    ) -> pb.RetryDeadLettersResponse:
        """Let one batch of dead letters be sent again."""
        done = self._do.dead_letters.retry(
            request.operator,
            letters_wire.chosen_from_wire(request.filter, everything=request.all),
            dry_run=request.dry_run,
        )
        return pb.RetryDeadLettersResponse(letters=done.number, has_more=done.has_more)

    def DropDeadLetters(
        self, request: pb.DropDeadLettersRequest, context: grpc.ServicerContext
    ) -> pb.DropDeadLettersResponse:
        """Delete one batch of dead letters."""
        done = self._do.dead_letters.drop(
            request.operator,
            letters_wire.chosen_from_wire(request.filter, everything=request.all),
            dry_run=request.dry_run,
        )
        return pb.DropDeadLettersResponse(letters=done.number, has_more=done.has_more)
