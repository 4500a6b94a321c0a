"""An operator who does all that changes tasks, again and again, whatever dies."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from programs.chaos import LONG, OWNERS, Chaos
from programs.waiting import eventually
from schedulers.served import TOKEN
from tesk.v1 import admin_service_pb2 as pb
from tesk.v1 import admin_service_pb2_grpc
from tesk_model.errors import NotFoundError, TeskError
from tesk_runtime.rpc.channel import open_channel
from tesk_runtime.rpc.status import invoke

_NAME = "root"
_CALL = timedelta(seconds=5)
_HELD = pb.Subject(kind=pb.SUBJECT_KIND_USER, name=OWNERS[0])
_PAUSE = 0.1  # seconds between two rounds, so that clients get on
_DRAINING = 10  # rounds from one to the next: a new taskmaster takes a second to start
_SOME = 20  # tasks


class Operator:
    """Acts on the tasks of a scheduler that may die at any time."""

    def __init__(
        self, chaos: Chaos, stub: admin_service_pb2_grpc.AdminServiceStub
    ) -> None:
        self._chaos = chaos
        self._stub = stub

    def act(self, until: threading.Event) -> None:
        """Do everything in turn until told to end; nothing is held then."""
        number = 0
        acts = (self._hold, self._prefer, self._release, self._cancel, self._requeue)
        while not until.wait(_PAUSE):
            drains = (self._drain,) if number % _DRAINING == 0 else ()
            for act in (*acts, *drains):
                # The scheduler died, or somebody was faster: the next round is soon.
                with suppress(TeskError):
                    act()
            number += 1
        eventually(self._has_released, within=LONG, what="the release")

    def _hold(self) -> None:
        request = pb.PutHoldRequest(operator=_NAME, subject=_HELD, reason="a look")
        invoke(self._stub.PutHold, request, timeout=_CALL)

    def _release(self) -> None:
        request = pb.RemoveHoldRequest(operator=_NAME, subject=_HELD)
        invoke(self._stub.RemoveHold, request, timeout=_CALL)

    def _has_released(self) -> bool:
        try:
            self._release()
        except NotFoundError:
            return True
        except TeskError:
            return False
        return True

    def _prefer(self) -> None:
        ids = list(self._chaos.created.values())[-_SOME:]
        request = pb.SetPriorityRequest(operator=_NAME, task_ids=ids, priority=1)
        invoke(self._stub.SetPriority, request, timeout=_CALL)

    def _cancel(self) -> None:
        # Their creators cancel them, too.
        hanging = pb.TaskFilter(name_prefix="hang")
        request = pb.CancelTasksRequest(operator=_NAME, filter=hanging)
        while True:
            answer = invoke(self._stub.CancelTasks, request, timeout=_CALL)
            if not answer.next_cursor:
                return
            request.cursor = answer.next_cursor

    def _requeue(self) -> None:
        began = {task_id for task_id, _, _ in self._chaos.runs()}
        new = sorted(began - self._chaos.requeued)[-_SOME:]
        # Each once: one that hangs and is always begun anew would never end.
        self._chaos.requeued.update(began)
        if new:
            request = pb.RequeueTasksRequest(
                operator=_NAME, task_ids=new, reason="a look"
            )
            invoke(self._stub.RequeueTasks, request, timeout=_CALL)

    def _drain(self) -> None:
        request = pb.ListTaskmastersRequest(operator=_NAME)
        listed = invoke(self._stub.ListTaskmasters, request, timeout=_CALL)
        for each in listed.taskmasters[:1]:
            drain = pb.DrainTaskmasterRequest(operator=_NAME, taskmaster_id=each.id)
            invoke(self._stub.DrainTaskmaster, drain, timeout=_CALL)


@contextmanager
def operating(chaos: Chaos) -> Iterator[None]:
    """Have an operator who acts until the end of the block."""
    until = threading.Event()
    with open_channel(chaos.address, token=TOKEN) as channel:
        operator = Operator(chaos, admin_service_pb2_grpc.AdminServiceStub(channel))
        thread = threading.Thread(target=operator.act, args=[until], daemon=True)
        thread.start()
        try:
            yield
        finally:
            until.set()
        thread.join(LONG)
        assert not thread.is_alive()
