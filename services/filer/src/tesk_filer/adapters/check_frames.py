"""Speaks to the process of a check: what is to be looked at, and what was found."""

from collections.abc import Iterator

from tesk.v1 import storage_service_pb2 as pb
from tesk_filer.domain.checks import Check, LocationsToCheck, Verdict
from tesk_model.task import FileType
from tesk_runtime.rpc.wire import input_to_wire, output_to_wire

_LENGTH = 4  # bytes of the length before a message


def locations_to_wire(wanted: LocationsToCheck) -> pb.CheckLocationsRequest:
    """Build the message."""
    return pb.CheckLocationsRequest(
        owner=wanted.owner.name,
        groups=wanted.owner.groups,
        request_id=wanted.request_id,
        inputs=map(input_to_wire, wanted.inputs),
        outputs=map(output_to_wire, wanted.outputs),
    )


def frame(message: pb.LocationCheck) -> bytes:
    """Return a message with its length, for a pipe."""
    body = message.SerializeToString()
    return len(body).to_bytes(_LENGTH, "big") + body


def read_frames(data: bytes) -> Iterator[Check]:
    """Yield what a pipe has; the last message may be cut, and is left out then."""
    at = 0
    while at + _LENGTH <= len(data):
        end = at + _LENGTH + int.from_bytes(data[at : at + _LENGTH], "big")
        if end > len(data):
            return
        yield _check(pb.LocationCheck.FromString(data[at + _LENGTH : end]))
        at = end


def _check(message: pb.LocationCheck) -> Check:
    return Check(
        field=message.field,
        path=message.path,
        url=message.url,
        verdict=Verdict(message.verdict),
        message=message.message,
        type=FileType(message.type) if message.HasField("type") else None,
        size=message.size_bytes if message.HasField("size_bytes") else None,
    )
