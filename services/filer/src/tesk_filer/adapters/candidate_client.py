"""The scheduler's record of a check, over ``TransferService``."""

from tesk.v1 import transfer_service_pb2 as pb
from tesk_filer.adapters.scheduler_calls import SchedulerCalls
from tesk_filer.domain.credential_table import TaskOwner
from tesk_filer.ports.candidates import Candidate
from tesk_model.errors import NotFoundError
from tesk_runtime.rpc.identity_wire import identity_from_wire
from tesk_runtime.rpc.wire import input_from_wire


class SchedulerCandidates:
    """Satisfies ``ports.candidates.CandidateRecord``."""

    def __init__(self, calls: SchedulerCalls) -> None:
        """Speak of the check of one attempt."""
        self._calls = calls
        self._stub = calls.stub
        self._owner = TaskOwner()

    def owner(self) -> TaskOwner:
        """Return the owner of the task that is checked for, once ``candidate`` has."""
        return self._owner

    def candidate(self) -> Candidate | None:
        """See ``CandidateRecord``."""
        request = pb.GetCheckRequest(attempt=self._calls.wire_attempt)
        try:
            response = self._calls.call(self._stub.GetCheck, request)
        except NotFoundError:
            return None
        self._owner = TaskOwner(name=response.owner, groups=tuple(response.groups))
        return Candidate(
            inputs=[input_from_wire(entry) for entry in response.inputs],
            files=[identity_from_wire(file) for file in response.files],
        )

    def finish(self, difference: str) -> None:
        """See ``CandidateRecord``."""
        request = pb.FinishCheckRequest(
            attempt=self._calls.wire_attempt, difference=difference
        )
        self._calls.call(self._stub.FinishCheck, request)
