"""Reads what the scheduler and storages say of a task that is checked."""

from tesk.v1 import storage_service_pb2 as storage_pb
from tesk.v1 import task_service_pb2 as pb
from tesk_api.domain.task_checks import Outlook
from tesk_model.task_checks import LocationCheck, TaskForecast
from tesk_runtime.rpc.documents import reader
from tesk_runtime.rpc.status import error_from_status

_read_forecast = reader(TaskForecast, pb.TaskForecast)
read_location_check = reader(LocationCheck, storage_pb.LocationCheck)


def read_outlook(message: pb.CheckTaskResponse) -> Outlook:
    """Convert the response of ``CheckTask``."""
    return Outlook(
        refusal=error_from_status(message.refusal)
        if message.HasField("refusal")
        else None,
        forecast=_read_forecast(message.forecast)
        if message.HasField("forecast")
        else None,
    )
