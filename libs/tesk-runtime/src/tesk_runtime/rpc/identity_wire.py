"""Converts identities of files between the wire (``tesk.v1``) and the domain.

``identity_from_wire(identity_to_wire(file)) == file``.
"""

from tesk.v1 import transfer_service_pb2 as pb
from tesk_model.errors import InvalidRequestError, Violation
from tesk_model.identities import FileIdentity

_DIRECTIONS = {"inputs": pb.DIRECTION_INPUTS, "outputs": pb.DIRECTION_OUTPUTS}
_NAMES = {number: name for name, number in _DIRECTIONS.items()}


def identity_to_wire(file: FileIdentity) -> pb.FileIdentity:
    """Convert one."""
    return pb.FileIdentity(
        direction=_DIRECTIONS[file.direction],
        url=file.url,
        path=file.path,
        size_bytes=file.size_bytes,
        identity=file.identity,
    )


def identity_from_wire(message: pb.FileIdentity) -> FileIdentity:
    """Convert one.

    Raises:
        InvalidRequestError: It names no direction, or its size is negative.
    """
    if message.direction not in _NAMES:
        raise _refuse("direction", "must be inputs or outputs")
    if message.size_bytes < 0:
        raise _refuse("size_bytes", "must not be negative")
    return FileIdentity(
        direction=_NAMES[message.direction],
        url=message.url,
        path=message.path,
        size_bytes=message.size_bytes,
        identity=message.identity,
    )


def _refuse(field: str, problem: str) -> InvalidRequestError:
    return InvalidRequestError([Violation(f"files.{field}", problem)])
