"""Calls AdminService of a scheduler over gRPC."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict, ParseDict

from tesk.v1 import admin_service_pb2 as pb
from tesk.v1 import admin_service_pb2_grpc as pb_grpc
from tesk_cli.ports.admin import AdminCaller, ExportPart, ImportCount
from tesk_runtime.rpc.channel import open_channel
from tesk_runtime.rpc.status import invoke

# A verification of a large store takes long; people wait, and may interrupt.
_TIMEOUT = timedelta(minutes=5)
# Half of what a message may have.
_PART = 2 * 1024 * 1024


class AdminClient:
    """See ``AdminServer``."""

    def __init__(self, channel: grpc.Channel, operator: str) -> None:
        self._stub = pb_grpc.AdminServiceStub(channel)
        self._operator = operator

    def call(self, method: str, **fields: Any) -> dict[str, Any]:
        """Convert to messages and back."""
        request = getattr(pb, f"{method}Request")()
        ParseDict({"operator": self._operator, **fields}, request)
        answer = invoke(getattr(self._stub, method), request, timeout=_TIMEOUT)
        found: dict[str, Any] = MessageToDict(
            answer,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        return found

    def export_part(self, cursor: str) -> ExportPart:
        """Read one part."""
        request = pb.ExportTasksRequest(operator=self._operator, cursor=cursor)
        answer = invoke(self._stub.ExportTasks, request, timeout=_TIMEOUT)
        return ExportPart(answer.data, answer.next_cursor, answer.restart)

    def begin_import(self, header: bytes, *, allow_tasks: bool, dry_run: bool) -> None:
        """Send the header."""
        self._import(header=header, allow_tasks=allow_tasks, dry_run=dry_run)

    def import_lines(self, lines: Sequence[bytes]) -> ImportCount:
        """Send lines as they fit into messages, and large ones in parts."""
        counts = [self._import(lines=batch) for batch in _batches(lines)]
        for line in lines:
            if len(line) > _PART:
                counts += [self._import(part=part) for part in _parts(line)]
        return ImportCount(
            sum(each.imported for each in counts), sum(each.present for each in counts)
        )

    def _import(self, **fields: Any) -> ImportCount:
        request = pb.ImportTasksRequest(operator=self._operator, **fields)
        answer = invoke(self._stub.ImportTasks, request, timeout=_TIMEOUT)
        return ImportCount(answer.imported, answer.present)


@contextmanager
def open_admin(
    address: str,
    *,
    token: str,
    credentials: grpc.ChannelCredentials | None,
    caller: AdminCaller,
) -> Iterator[AdminClient]:
    """Connect to a scheduler; repeated calls are idempotent but are not repeated."""
    with open_channel(
        address, token=token, credentials=credentials, server_name=caller.tls_name
    ) as channel:
        yield AdminClient(channel, caller.operator)


def _batches(lines: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Yield lines that fit, as many at once as one message takes."""
    batch: list[bytes] = []
    size = 0
    for line in lines:
        if len(line) > _PART:
            continue
        if batch and size + len(line) > _PART:
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line)
    if batch:
        yield batch


def _parts(line: bytes) -> Iterator[pb.LinePart]:
    digest = hashlib.sha256(line).hexdigest()
    for index, first in enumerate(range(0, len(line), _PART)):
        yield pb.LinePart(
            digest=digest,
            index=index,
            data=line[first : first + _PART],
            last=first + _PART >= len(line),
        )
