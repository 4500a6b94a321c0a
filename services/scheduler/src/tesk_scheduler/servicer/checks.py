"""Converts what would come of a task to its message."""

from tesk.v1 import task_service_pb2 as pb
from tesk_model.task_checks import TaskForecast
from tesk_runtime.rpc.documents import writer
from tesk_runtime.rpc.status import status_from_error
from tesk_scheduler.servicer.waits import wait_of
from tesk_scheduler.usecases.dry_run import DryRunResult, Prospect

_forecast_to_wire = writer(TaskForecast, pb.TaskForecast)


def check_to_wire(result: DryRunResult) -> pb.CheckTaskResponse:
    """Build the response."""
    message = pb.CheckTaskResponse()
    if result.refusal is not None:
        message.refusal.CopyFrom(status_from_error(result.refusal))
    if result.prospect is not None:
        forecast = _forecast_to_wire(_forecast(result.prospect))
        message.forecast.CopyFrom(forecast)
    return message


def _forecast(prospect: Prospect) -> TaskForecast:
    reason = prospect.reason
    return TaskForecast(
        limits=prospect.limits,
        placement=prospect.placement,
        reason=reason.text,
        reason_code=reason.code,
        wait=wait_of(reason, prospect.place) if reason.text else None,
        warnings=prospect.warnings,
    )
