"""Calls of the scheduler's ``TransferService``, with the attempt's token."""

import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import grpc
import tenacity

from tesk.v1 import assignment_service_pb2 as assignment_pb
from tesk.v1 import transfer_service_pb2_grpc
from tesk_model.errors import ResourceExhaustedError, UnavailableError
from tesk_model.names import Attempt
from tesk_runtime.rpc.status import UnaryMethod, invoke

SERVICE = "tesk.v1.TransferService"

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")

_CALL_TIMEOUT = timedelta(seconds=30)
_MAX_PAUSE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerCalls:
    """Calls for one attempt.

    Attributes:
        channel: Carries the attempt's token.
        retry_for: How long calls are retried while the scheduler is unavailable.
        stop: Ends the retries.
    """

    channel: grpc.Channel
    attempt: Attempt
    retry_for: timedelta
    stop: threading.Event

    @property
    def stub(self) -> "transfer_service_pb2_grpc.TransferServiceStub":
        """Return the stub of the service; one for each user."""
        return transfer_service_pb2_grpc.TransferServiceStub(self.channel)

    @property
    def wire_attempt(self) -> assignment_pb.Attempt:
        """The attempt, as requests name it."""
        return assignment_pb.Attempt(
            task_id=self.attempt.task_id, number=self.attempt.number
        )

    def call(
        self, method: UnaryMethod[RequestT, ResponseT], request: RequestT
    ) -> ResponseT:
        """Call until the scheduler is available; see ``ports.transfers.Transfers``."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(
                (UnavailableError, ResourceExhaustedError)
            ),
            stop=tenacity.stop_any(
                tenacity.stop_after_delay(self.retry_for.total_seconds()),
                tenacity.stop_when_event_set(self.stop),
            ),
            wait=tenacity.wait_random_exponential(
                multiplier=0.2, max=_MAX_PAUSE.total_seconds()
            ),
            sleep=tenacity.sleep_using_event(self.stop),
            reraise=True,
        )
        return retrying(lambda: invoke(method, request, timeout=_CALL_TIMEOUT))
