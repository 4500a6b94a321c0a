"""Converts what is to be looked at, and what was found."""

from tesk.v1 import storage_service_pb2 as pb
from tesk_filer.domain.checks import Check, LocationsToCheck
from tesk_filer.domain.credential_table import TaskOwner
from tesk_runtime.rpc.wire import input_from_wire, output_from_wire


def locations_from_wire(message: pb.CheckLocationsRequest) -> LocationsToCheck:
    """Read what is to be looked at.

    Raises:
        InvalidRequestError: An enum is unspecified, or unknown here.
    """
    return LocationsToCheck(
        owner=TaskOwner(name=message.owner, groups=tuple(message.groups)),
        inputs=tuple(map(input_from_wire, message.inputs)),
        outputs=tuple(map(output_from_wire, message.outputs)),
        request_id=message.request_id[:64],
    )


def check_to_wire(check: Check) -> pb.LocationCheck:
    """Build the message."""
    return pb.LocationCheck(
        field=check.field,
        path=check.path,
        url=check.url,
        verdict=check.verdict.value,
        message=check.message,
        type=check.type.value if check.type else None,
        size_bytes=check.size,
    )
