"""Makes the gRPC server of all services of a scheduler."""

import logging
from dataclasses import dataclass

import grpc

from tesk.v1 import (
    admin_service_pb2_grpc,
    assignment_service_pb2_grpc,
    load_service_pb2_grpc,
    task_service_pb2_grpc,
    transfer_service_pb2_grpc,
)
from tesk_runtime.rpc.interceptors import (
    CallInterceptor,
    ErrorInterceptor,
    InternalTokenInterceptor,
)
from tesk_runtime.rpc.server import RpcServer
from tesk_runtime.rpc.tls import server_credentials
from tesk_runtime.sections import GrpcSettings
from tesk_scheduler.ports.observer import Observer
from tesk_scheduler.servicer.admin import AdminServicer
from tesk_scheduler.servicer.assignments import AssignmentServicer
from tesk_scheduler.servicer.load import LoadServicer
from tesk_scheduler.servicer.tasks import TaskServicer
from tesk_scheduler.servicer.transfers import TransferServicer

_TRANSFERS = "tesk.v1.TransferService"
_SERVICES = (
    *("tesk.v1.TaskService", "tesk.v1.AssignmentService", _TRANSFERS),
    "tesk.v1.AdminService",
    "tesk.v1.LoadService",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Servicers:
    """The services of a scheduler."""

    tasks: TaskServicer
    assignments: AssignmentServicer
    transfers: TransferServicer
    admin: AdminServicer
    load: LoadServicer

    def register(self, server: grpc.Server) -> None:
        """Add all of them."""
        task_service_pb2_grpc.add_TaskServiceServicer_to_server(self.tasks, server)
        assignment_service_pb2_grpc.add_AssignmentServiceServicer_to_server(
            self.assignments, server
        )
        transfer_service_pb2_grpc.add_TransferServiceServicer_to_server(
            self.transfers, server
        )
        admin_service_pb2_grpc.add_AdminServiceServicer_to_server(self.admin, server)
        load_service_pb2_grpc.add_LoadServiceServicer_to_server(self.load, server)


def make_server(
    servicers: Servicers,
    settings: GrpcSettings,
    *,
    token: str,
    threads: int,
    observer: Observer,
) -> RpcServer:
    """Return a server, not started, of ``servicers``.

    Args:
        servicers: What it serves.
        settings: The section: TLS and reflection.
        token: What every caller must show, but filers: they have one of their
            task, which the transfer service itself checks.
        threads: Calls that run at once.
        observer: Notified of each call.
    """
    return RpcServer(
        services=_SERVICES,
        register=servicers.register,
        interceptors=[
            CallInterceptor(observer.answered),
            ErrorInterceptor(logging.getLogger("tesk_scheduler.rpc")),
            InternalTokenInterceptor(token, exempt=(_TRANSFERS,)),
        ],
        threads=threads,
        with_reflection=settings.reflection,
        credentials=server_credentials(settings),
    )
