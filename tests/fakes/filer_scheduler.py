"""A scheduler that knows one transfer only, behind real gRPC."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tesk.v1 import transfer_service_pb2 as pb
from tesk.v1 import transfer_service_pb2_grpc as pb_grpc
from tesk_filer.ports.transfers import MovedByScheme, TransferResult
from tesk_model.errors import (
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from tesk_model.identities import FileIdentity
from tesk_model.names import Attempt
from tesk_model.task import Input, Output, Task, TaskId, TransferStatus
from tesk_runtime.rpc.identity_wire import identity_from_wire, identity_to_wire
from tesk_runtime.rpc.interceptors import ErrorInterceptor, bearer_token
from tesk_runtime.rpc.server import RpcServer
from tesk_runtime.rpc.wire import task_to_wire

ATTEMPT = Attempt(TaskId("t1"), 1)
TOKEN = "7f3a9c" * 10  # like a real one: no words, which logs would lose
_DIRECTIONS = {pb.DIRECTION_INPUTS: "inputs", pb.DIRECTION_OUTPUTS: "outputs"}


@dataclass
class TransferRecord:
    """What a filer is to do, and what it said.

    Attributes:
        uploaded: Size by (url, path).
        outages: So many calls are refused as UNAVAILABLE first.
        is_over: The attempt has ended; everything is refused.
        record_identities: The filer is asked for them.
        identities: Those that it recorded, by (direction, url, path).
        identified: Of each result, whether it said that all are recorded.
        candidate: Identities that a check compares; None: there is no candidate.
        differences: That checks have found; "" for none.
        reported: Set by the first report of progress.
        finished: Set by the first result.
    """

    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    owner: str = ""
    groups: tuple[str, ...] = ()
    address: str = ""
    uploaded: dict[tuple[str, str], int] = field(default_factory=dict)
    results: list[TransferResult] = field(default_factory=list)
    reports: list[TransferStatus] = field(default_factory=list)
    record_identities: bool = False
    identities: dict[tuple[str, str, str], FileIdentity] = field(default_factory=dict)
    identified: list[bool] = field(default_factory=list)
    candidate: tuple[FileIdentity, ...] | None = None
    differences: list[str] = field(default_factory=list)
    outages: int = 0
    is_over: bool = False
    reported: threading.Event = field(default_factory=threading.Event)
    finished: threading.Event = field(default_factory=threading.Event)

    @property
    def result(self) -> TransferResult:
        """The one that stands."""
        return self.results[-1]


class _Servicer(pb_grpc.TransferServiceServicer):
    def __init__(self, record: TransferRecord) -> None:
        self._record = record

    def GetTransfer(self, request: Any, context: Any) -> pb.GetTransferResponse:  # noqa: N802
        self._admit(request, context)
        task = task_to_wire(
            Task(inputs=self._record.inputs, outputs=self._record.outputs)
        )
        incoming = request.direction == pb.DIRECTION_INPUTS
        return pb.GetTransferResponse(
            inputs=task.inputs if incoming else (),
            outputs=() if incoming else task.outputs,
            owner=self._record.owner,
            groups=self._record.groups,
            record_identities=self._record.record_identities,
        )

    def ReportProgress(self, request: Any, context: Any) -> pb.ReportProgressResponse:  # noqa: N802
        self._admit(request, context)
        self._record.reports.append(
            TransferStatus(
                direction=_DIRECTIONS[request.direction],
                files_done=request.files_done,
                files_total=request.files_total,
                bytes_done=request.bytes_done,
                bytes_total=request.bytes_total,
                bytes_per_second=request.bytes_per_second,
                path=request.path,
                url=request.url,
            )
        )
        self._record.reported.set()
        return pb.ReportProgressResponse()

    def AddOutputFiles(self, request: Any, context: Any) -> pb.AddOutputFilesResponse:  # noqa: N802
        self._admit(request, context)
        for file in request.files:
            self._record.uploaded[file.url, file.path] = file.size_bytes
        return pb.AddOutputFilesResponse()

    def FinishTransfer(self, request: Any, context: Any) -> pb.FinishTransferResponse:  # noqa: N802
        self._admit(request, context)
        self._record.results.append(
            TransferResult(
                error=request.error,
                warnings=tuple(request.warnings),
                files=request.files,
                bytes=request.bytes,
                seconds=request.seconds,
                resumed_files=request.resumed_files,
                resumed_bytes=request.resumed_bytes,
                sha256=request.sha256,
                moved=tuple(
                    MovedByScheme(
                        scheme=each.scheme, files=each.files, bytes=each.bytes
                    )
                    for each in request.moved
                ),
            )
        )
        self._record.identified.append(request.identified)
        self._record.finished.set()
        return pb.FinishTransferResponse()

    def AddFileIdentities(  # noqa: N802
        self, request: Any, context: Any
    ) -> pb.AddFileIdentitiesResponse:
        self._admit(request, context)
        for file in map(identity_from_wire, request.files):
            self._record.identities[file.direction, file.url, file.path] = file
        nameless = any(not each.identity for each in self._record.identities.values())
        return pb.AddFileIdentitiesResponse(unwanted=nameless)

    def GetCheck(self, request: Any, context: Any) -> pb.GetCheckResponse:  # noqa: N802
        self._admit(request, context)
        if self._record.candidate is None:
            raise NotFoundError("there is no candidate")
        return pb.GetCheckResponse(
            inputs=task_to_wire(Task(inputs=self._record.inputs)).inputs,
            files=map(identity_to_wire, self._record.candidate),
            owner=self._record.owner,
            groups=self._record.groups,
        )

    def FinishCheck(self, request: Any, context: Any) -> pb.FinishCheckResponse:  # noqa: N802
        self._admit(request, context)
        self._record.differences.append(request.difference)
        self._record.finished.set()
        return pb.FinishCheckResponse()

    def _admit(self, request: Any, context: Any) -> None:
        if self._record.outages > 0:
            self._record.outages -= 1
            raise UnavailableError("restarting")
        if bearer_token(dict(context.invocation_metadata())) != TOKEN:
            raise PermissionDeniedError("the token is not of this attempt")
        attempt = (request.attempt.task_id, request.attempt.number)
        if self._record.is_over or attempt != (ATTEMPT.task_id, ATTEMPT.number):
            raise ConflictError("the attempt is over")


@contextmanager
def transfer_server(record: TransferRecord) -> Iterator[TransferRecord]:
    """Serve ``record`` until the end of the block; sets its address."""
    service = pb.DESCRIPTOR.services_by_name["TransferService"].full_name
    server = RpcServer(
        services=[service],
        register=lambda grpc_server: pb_grpc.add_TransferServiceServicer_to_server(
            _Servicer(record), grpc_server
        ),
        interceptors=[ErrorInterceptor(logging.getLogger(__name__))],
        threads=4,
    )
    port = server.start("127.0.0.1:0")
    record.address = f"127.0.0.1:{port}"
    try:
        yield record
    finally:
        server.stop(timedelta())
