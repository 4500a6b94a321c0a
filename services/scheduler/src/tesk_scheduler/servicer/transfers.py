"""Implements TransferService, which filers call with the token of their attempt."""

import grpc

from tesk.v1 import assignment_service_pb2, task_pb2
from tesk.v1 import transfer_service_pb2 as pb
from tesk.v1 import transfer_service_pb2_grpc as pb_grpc
from tesk_model.errors import (
    InvalidRequestError,
    PermissionDeniedError,
    UnauthenticatedError,
    Violation,
)
from tesk_model.names import Attempt
from tesk_model.task import OutputFileLog, TransferStatus
from tesk_runtime.rpc.event_wire import attempt_from_wire
from tesk_runtime.rpc.identity_wire import identity_from_wire, identity_to_wire
from tesk_runtime.rpc.interceptors import bearer_token
from tesk_runtime.rpc.wire import input_size_from_wire
from tesk_scheduler.domain.occurrences import Moved
from tesk_scheduler.domain.progress import Amount, Direction
from tesk_scheduler.domain.tokens import is_transfer_token
from tesk_scheduler.servicer.wire import without_contents
from tesk_scheduler.usecases.call_checks import CallChecks
from tesk_scheduler.usecases.transfers import TransferResult, Transfers


class TransferServicer(pb_grpc.TransferServiceServicer):
    """See ``transfer_service.proto``."""

    def __init__(
        self, *, transfers: Transfers, checks: CallChecks, secret: str
    ) -> None:
        self._transfers = transfers
        self._checks = checks
        self._secret = secret

    def GetTransfer(
        self, request: pb.GetTransferRequest, context: grpc.ServicerContext
    ) -> pb.GetTransferResponse:
        """Return the inputs or the outputs."""
        attempt = self._authorized(request.attempt, context)
        direction = _direction(request.direction)
        record, document = self._transfers.begin(attempt, direction)
        task = task_pb2.Task.FromString(document)
        incoming = direction is Direction.INPUTS
        return pb.GetTransferResponse(
            inputs=task.inputs if incoming else (),
            outputs=() if incoming else task.outputs,
            owner=record.owner,
            groups=record.groups,
            record_identities=self._checks.wants_identities(record),
        )

    def ReportProgress(
        self, request: pb.ReportProgressRequest, context: grpc.ServicerContext
    ) -> pb.ReportProgressResponse:
        """Store the progress."""
        attempt = self._authorized(request.attempt, context)
        status = TransferStatus(
            direction=_direction(request.direction).value,
            files_done=request.files_done,
            files_total=request.files_total,
            bytes_done=request.bytes_done,
            bytes_total=request.bytes_total,
            bytes_per_second=request.bytes_per_second,
            path=request.path,
            url=request.url,
        )
        self._transfers.progress(attempt, status)
        return pb.ReportProgressResponse()

    def AddOutputFiles(
        self, request: pb.AddOutputFilesRequest, context: grpc.ServicerContext
    ) -> pb.AddOutputFilesResponse:
        """Record uploaded files."""
        files = [
            OutputFileLog(url=file.url, path=file.path, size_bytes=file.size_bytes)
            for file in request.files
        ]
        attempt = self._authorized(request.attempt, context)
        self._transfers.add_output_files(attempt, files)
        return pb.AddOutputFilesResponse()

    def FinishTransfer(
        self, request: pb.FinishTransferRequest, context: grpc.ServicerContext
    ) -> pb.FinishTransferResponse:
        """Record the result."""
        result = TransferResult(
            error=request.error,
            warnings=tuple(request.warnings),
            files=request.files,
            size=request.bytes,
            moved=tuple(
                Moved(
                    scheme=each.scheme,
                    files=each.files,
                    bytes=each.bytes,
                    seconds=each.seconds,
                    failed=each.failed,
                )
                for each in request.moved
            ),
            seconds=request.seconds,
            sha256=request.sha256,
            identified=request.identified,
            input_sizes=tuple(map(input_size_from_wire, request.input_sizes)),
            resumed=Amount(files=request.resumed_files, size=request.resumed_bytes),
        )
        attempt = self._authorized(request.attempt, context)
        self._transfers.finish(attempt, _direction(request.direction), result)
        return pb.FinishTransferResponse()

    def AddFileIdentities(
        self, request: pb.AddFileIdentitiesRequest, context: grpc.ServicerContext
    ) -> pb.AddFileIdentitiesResponse:
        """Record identities of files."""
        files = [identity_from_wire(file) for file in request.files]
        attempt = self._authorized(request.attempt, context)
        wanted = self._checks.add_identities(attempt, files)
        return pb.AddFileIdentitiesResponse(unwanted=not wanted)

    def GetCheck(
        self, request: pb.GetCheckRequest, context: grpc.ServicerContext
    ) -> pb.GetCheckResponse:
        """Return what is to be compared."""
        found = self._checks.begin(self._authorized(request.attempt, context))
        task = without_contents(task_pb2.Task.FromString(found.document))
        return pb.GetCheckResponse(
            inputs=task.inputs,
            files=map(identity_to_wire, found.files),
            owner=found.record.owner,
            groups=found.record.groups,
        )

    def FinishCheck(
        self, request: pb.FinishCheckRequest, context: grpc.ServicerContext
    ) -> pb.FinishCheckResponse:
        """Record the result of a check."""
        attempt = self._authorized(request.attempt, context)
        self._checks.finish(attempt, request.difference)
        return pb.FinishCheckResponse()

    def _authorized(
        self, message: assignment_service_pb2.Attempt, context: grpc.ServicerContext
    ) -> Attempt:
        attempt = attempt_from_wire(message)
        token = bearer_token(dict(context.invocation_metadata()))
        if not token:
            raise UnauthenticatedError("the transfer token is missing")
        if not is_transfer_token(self._secret, attempt, token):
            raise PermissionDeniedError("the token is not of this attempt")
        return attempt


def _direction(direction: "pb.Direction.ValueType") -> Direction:
    if direction == pb.DIRECTION_INPUTS:
        return Direction.INPUTS
    if direction == pb.DIRECTION_OUTPUTS:
        return Direction.OUTPUTS
    raise InvalidRequestError([Violation("direction", "is missing")])
