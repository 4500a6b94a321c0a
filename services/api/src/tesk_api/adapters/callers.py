"""Converts the caller of a request for the scheduler."""

from tesk.v1 import task_service_pb2 as pb
from tesk_api.domain.requests import Caller


def caller_to_wire(caller: Caller) -> pb.Caller:
    """Convert a caller."""
    return pb.Caller(
        user=caller.user,
        groups=caller.groups,
        admin=caller.admin,
        request_id=caller.request_id,
    )
