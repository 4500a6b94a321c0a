"""The scheduler's record of a transfer, over ``TransferService``."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from tesk.v1 import task_pb2
from tesk.v1 import transfer_service_pb2 as pb
from tesk_filer.adapters.scheduler_calls import SchedulerCalls
from tesk_filer.domain.credential_table import TaskOwner
from tesk_filer.ports.transfers import TransferResult
from tesk_model.identities import FileIdentity
from tesk_model.locations import printable
from tesk_model.task import Input, Output, OutputFileLog, TransferStatus
from tesk_runtime.rpc.identity_wire import identity_to_wire
from tesk_runtime.rpc.status import invoke
from tesk_runtime.rpc.wire import (
    input_from_wire,
    input_size_to_wire,
    output_from_wire,
)

_REPORT_TIMEOUT = timedelta(seconds=5)


class SchedulerTransfers:
    """Satisfies ``ports.transfers.Transfers``."""

    def __init__(
        self,
        calls: SchedulerCalls,
        direction: "pb.Direction.ValueType",
        *,
        redact: Callable[[str], str],
    ) -> None:
        """Speak of one transfer.

        Args:
            calls: For its attempt.
            direction: As on the wire.
            redact: Hides secrets in texts for people.
        """
        self._calls = calls
        self._stub = calls.stub
        self._attempt = calls.wire_attempt
        self._direction = direction
        self._redact = redact
        self._owner = TaskOwner()
        self._wants_identities = False

    def inputs(self) -> Sequence[Input]:
        """See ``Transfers``."""
        return [input_from_wire(entry) for entry in self._transfer().inputs]

    def outputs(self) -> Sequence[Output]:
        """See ``Transfers``."""
        return [output_from_wire(entry) for entry in self._transfer().outputs]

    def owner(self) -> TaskOwner:
        """Return the owner of the task: as ``inputs`` or ``outputs`` heard of it last."""
        return self._owner

    def report(self, status: TransferStatus) -> None:
        """See ``Transfers``."""
        request = pb.ReportProgressRequest(
            attempt=self._attempt,
            direction=self._direction,
            files_done=status.files_done,
            files_total=status.files_total,
            bytes_done=status.bytes_done,
            bytes_total=status.bytes_total,
            bytes_per_second=status.bytes_per_second,
            path=printable(status.path),
            url=status.url,
        )
        invoke(self._stub.ReportProgress, request, timeout=_REPORT_TIMEOUT)

    def wants_identities(self) -> bool:
        """See ``Transfers``."""
        return self._wants_identities

    def add_identities(self, files: Sequence[FileIdentity]) -> bool:
        """See ``Transfers``."""
        request = pb.AddFileIdentitiesRequest(
            attempt=self._attempt, files=map(identity_to_wire, files)
        )
        response = self._calls.call(self._stub.AddFileIdentities, request)
        return not response.unwanted

    def add_outputs(self, files: Sequence[OutputFileLog]) -> None:
        """See ``Transfers``."""
        request = pb.AddOutputFilesRequest(
            attempt=self._attempt,
            files=[
                task_pb2.OutputFileLog(
                    url=file.url, path=file.path, size_bytes=file.size_bytes
                )
                for file in files
            ],
        )
        self._calls.call(self._stub.AddOutputFiles, request)

    def finish(self, result: TransferResult) -> None:
        """See ``Transfers``."""
        request = pb.FinishTransferRequest(
            attempt=self._attempt,
            direction=self._direction,
            error=self._redact(result.error),
            warnings=[self._redact(each) for each in result.warnings],
            files=result.files,
            bytes=result.bytes,
            moved=[
                pb.MovedByScheme(
                    scheme=each.scheme,
                    files=each.files,
                    bytes=each.bytes,
                    seconds=each.seconds,
                    failed=each.failed,
                )
                for each in result.moved
            ],
            seconds=result.seconds,
            resumed_files=result.resumed_files,
            resumed_bytes=result.resumed_bytes,
            sha256=result.sha256,
            identified=result.identified,
            input_sizes=map(input_size_to_wire, result.input_sizes),
        )
        self._calls.call(self._stub.FinishTransfer, request)

    def _transfer(self) -> pb.GetTransferResponse:
        request = pb.GetTransferRequest(
            attempt=self._attempt, direction=self._direction
        )
        response = self._calls.call(self._stub.GetTransfer, request)
        self._wants_identities = response.record_identities
        self._owner = TaskOwner(name=response.owner, groups=tuple(response.groups))
        return response
