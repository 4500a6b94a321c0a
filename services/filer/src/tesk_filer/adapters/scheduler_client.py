"""Client of the scheduler's ``TransferService``, with the attempt's token."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import grpc
import tenacity

from tesk.v1 import assignment_service_pb2 as assignment_pb
from tesk.v1 import task_pb2, transfer_service_pb2_grpc
from tesk.v1 import transfer_service_pb2 as pb
from tesk_filer.domain.credential_table import TaskOwner
from tesk_filer.ports.transfers import TransferResult
from tesk_model.errors import ResourceExhaustedError, UnavailableError
from tesk_model.locations import printable
from tesk_model.names import Attempt
from tesk_model.task import Input, Output, OutputFileLog, TransferStatus
from tesk_runtime.rpc.status import UnaryMethod, invoke
from tesk_runtime.rpc.wire import input_from_wire, output_from_wire

SERVICE = "tesk.v1.TransferService"

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")

_CALL_TIMEOUT = timedelta(seconds=30)
_REPORT_TIMEOUT = timedelta(seconds=5)
_MAX_PAUSE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferKey:
    """Identifies the transfer of this filer; direction as on the wire."""

    attempt: Attempt
    direction: "pb.Direction.ValueType"


class SchedulerTransfers:
    """Satisfies ``ports.transfers.Transfers``."""

    def __init__(
        self,
        channel: grpc.Channel,
        key: TransferKey,
        *,
        retry_for: timedelta,
        stop: threading.Event,
        redact: Callable[[str], str],
    ) -> None:
        """Call over ``channel``.

        Args:
            channel: Carries the attempt's token.
            key: The transfer.
            retry_for: How long calls are retried while the scheduler is unavailable.
            stop: Ends the retries.
            redact: Hides secrets in texts for people.
        """
        self._stub = transfer_service_pb2_grpc.TransferServiceStub(channel)
        self._attempt = assignment_pb.Attempt(
            task_id=key.attempt.task_id, number=key.attempt.number
        )
        self._direction = key.direction
        self._retry_for = retry_for
        self._stop = stop
        self._redact = redact
        self._owner = TaskOwner()

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
        self._call(self._stub.AddOutputFiles, request)

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
        )
        self._call(self._stub.FinishTransfer, request)

    def _transfer(self) -> pb.GetTransferResponse:
        request = pb.GetTransferRequest(
            attempt=self._attempt, direction=self._direction
        )
        response = self._call(self._stub.GetTransfer, request)
        self._owner = TaskOwner(name=response.owner, groups=tuple(response.groups))
        return response

    def _call(
        self, method: UnaryMethod[RequestT, ResponseT], request: RequestT
    ) -> ResponseT:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(
                (UnavailableError, ResourceExhaustedError)
            ),
            stop=tenacity.stop_any(
                tenacity.stop_after_delay(self._retry_for.total_seconds()),
                tenacity.stop_when_event_set(self._stop),
            ),
            wait=tenacity.wait_random_exponential(
                multiplier=0.2, max=_MAX_PAUSE.total_seconds()
            ),
            sleep=tenacity.sleep_using_event(self._stop),
            reraise=True,
        )
        return retrying(lambda: invoke(method, request, timeout=_CALL_TIMEOUT))
