"""Asks the filer's storage service about urls: the api's ``StorageGateway``."""

import logging
from dataclasses import replace
from datetime import timedelta

import grpc

from tesk.v1 import storage_service_pb2 as pb
from tesk.v1 import storage_service_pb2_grpc as pb_grpc
from tesk_api.adapters.check_wire import read_location_check
from tesk_api.domain.requests import Caller
from tesk_api.domain.task_checks import StorageResult
from tesk_model.errors import ResourceExhaustedError, TeskError, UnavailableError
from tesk_model.task import Task
from tesk_runtime.rpc.status import invoke
from tesk_runtime.rpc.wire import input_to_wire, output_to_wire

_logger = logging.getLogger(__name__)
_MOST = 10_000  # inputs and outputs of one call
_CURE = "check it again later; if that lasts, ask an administrator"


class StorageClient:
    """Satisfies ``StorageGateway``."""

    def __init__(self, channel: grpc.Channel, *, timeout: timedelta) -> None:
        """Use an open channel, which must belong to this process.

        Args:
            channel: To the storage service, with the internal token.
            timeout: Of a call; longer than the service itself takes.
        """
        self._stub = pb_grpc.StorageServiceStub(channel)
        self._timeout = timeout

    def check(self, caller: Caller, task: Task) -> StorageResult:
        """See ``StorageGateway``."""
        total = len(task.inputs) + len(task.outputs)
        # Contents are not needed to look at urls.
        inputs = [
            replace(each, content=None, url=None if each.content else each.url)
            for each in task.inputs[:_MOST]
        ]
        request = pb.CheckLocationsRequest(
            owner=caller.user,
            groups=caller.groups,
            request_id=caller.request_id,
            inputs=map(input_to_wire, inputs),
            outputs=map(output_to_wire, task.outputs[: _MOST - len(inputs)]),
        )
        try:
            answer = invoke(self._stub.CheckLocations, request, timeout=self._timeout)
        except ResourceExhaustedError:
            raise
        except UnavailableError:
            problem = "what looks at storages does not answer"
            return StorageResult(problem=problem, cure=_CURE)
        except TeskError as error:
            _logger.warning("storages not checked", extra={"cause": error.message})
            problem = "what looks at storages has failed"
            return StorageResult(problem=problem, cure=_CURE)
        checks = tuple(map(read_location_check, answer.checks))
        return StorageResult(checks=checks, omitted=total - len(checks))
