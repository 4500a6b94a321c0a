"""Serves checks of tasks before they are created, an extension of TESK."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response
from msgspec import UNSET, Struct, UnsetType, convert, to_builtins

from tesk.v1 import storage_service_pb2 as storage_pb
from tesk.v1 import task_pb2
from tesk.v1 import task_service_pb2 as pb
from tesk_api.domain.requests import Caller, NewTask
from tesk_api.domain.task_checks import (
    Severity,
    TaskCheck,
    invalid_check,
)
from tesk_api.http.identity import Identify
from tesk_api.http.json_bodies import parse_json
from tesk_api.http.responses import ResponseBody, document_type, json_response
from tesk_api.http.task_parsing import TaskParser
from tesk_api.http.tasks import BodyReader
from tesk_api.usecases.task_checks import TaskChecks
from tesk_model.errors import InvalidRequestError
from tesk_model.task import Wait
from tesk_model.task_checks import LimitUse, LocationCheck, Placement

Location = document_type(LocationCheck, storage_pb.LocationCheck.DESCRIPTOR)
_Limit = document_type(LimitUse, pb.LimitUse.DESCRIPTOR)
_Placement = document_type(Placement, pb.Placement.DESCRIPTOR)
_Wait = document_type(Wait, task_pb2.Wait.DESCRIPTOR)


class CheckFinding(ResponseBody, frozen=True, kw_only=True):
    """One thing that was found; ``path`` is empty for the task as a whole."""

    path: str
    severity: Severity
    message: str
    cure: str | UnsetType = UNSET


class StorageLook(ResponseBody, frozen=True, kw_only=True):
    """Whether inputs and outputs were looked at, or why not; ``omitted``: how many not."""

    checked: bool
    reason: str | UnsetType = UNSET
    omitted: int | UnsetType = UNSET


class CheckedTask(ResponseBody, frozen=True, kw_only=True):
    """What would come of a task; what is not known is absent."""

    accepted: bool
    would_run: bool
    findings: tuple[CheckFinding, ...]
    storage: StorageLook
    inputs: tuple[Location, ...] | UnsetType = UNSET  # type: ignore[valid-type]  # made at run time
    outputs: tuple[Location, ...] | UnsetType = UNSET  # type: ignore[valid-type]  # as above
    limits: tuple[_Limit, ...] | UnsetType = UNSET  # type: ignore[valid-type]  # as above
    placement: _Placement | UnsetType = UNSET  # type: ignore[valid-type]  # as above
    starts_at_once: bool | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    reason_code: str | UnsetType = UNSET
    wait: _Wait | UnsetType = UNSET  # type: ignore[valid-type]  # as above


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOperations:
    """Checks of tasks, as views of Flask."""

    checks: TaskChecks
    identify: Identify
    parser: TaskParser
    bodies: BodyReader

    def check_task(self) -> Response:
        """Tell what would come of the task in the body; create nothing.

        A body that is no JSON is no document, and refused as everywhere.
        """
        caller = self.identify()
        body = self.bodies.read()
        with self.bodies.memory_for(body):
            document = parse_json(body)
            check = check_parsed(
                self.checks, caller, lambda: self.parser.parse_document(document)
            )
        return json_response(checked_task(check))


def check_parsed(
    checks: TaskChecks, caller: Caller, parse: Callable[[], NewTask]
) -> TaskCheck:
    """Check what ``parse`` returns; what is no valid task is told to be none.

    Raises:
        TeskError: See ``TaskChecks.check``.
    """
    try:
        new = parse()
    except InvalidRequestError as error:
        return invalid_check(error.violations)
    return checks.check(caller, new)


def checks_blueprint(operations: CheckOperations) -> Blueprint:
    """Return ``/tesk/v1/tasks:check``."""
    blueprint = Blueprint("checks", __name__, url_prefix="/tesk/v1")
    blueprint.post("/tasks:check")(operations.check_task)
    return blueprint


def checked_task(check: TaskCheck) -> CheckedTask:
    """Render what is told of a task."""
    found = check.storage.checks
    forecast = check.forecast
    return CheckedTask(
        accepted=check.accepted,
        would_run=check.would_run,
        findings=tuple(
            CheckFinding(
                path=each.path,
                severity=each.severity,
                message=each.message,
                cure=each.cure or UNSET,
            )
            for each in check.findings
        ),
        storage=StorageLook(
            checked=not check.storage.problem,
            reason=check.storage.problem or UNSET,
            omitted=check.storage.omitted or UNSET,
        ),
        inputs=_locations(found, "inputs"),
        outputs=_locations(found, "outputs"),
        limits=tuple(_body(each, _Limit) for each in forecast.limits)
        if forecast
        else UNSET,
        placement=_body(forecast.placement, _Placement)
        if forecast and forecast.placement
        else UNSET,
        starts_at_once=not forecast.reason if forecast else UNSET,
        reason=(forecast and forecast.reason) or UNSET,
        reason_code=(forecast and forecast.reason_code) or UNSET,
        wait=_body(forecast.wait, _Wait) if forecast and forecast.wait else UNSET,
    )


def _locations(
    checks: tuple[LocationCheck, ...], which: str
) -> tuple[Struct, ...] | UnsetType:
    found = (each for each in checks if each.field.startswith(f"{which}["))
    return tuple(_body(each, Location) for each in found) if checks else UNSET


def _body(document: Any, kind: type[Struct]) -> Any:
    """Convert a document of ``tesk_model`` to its type of a response."""
    values = _present(to_builtins(document))
    if "size_bytes" in values:
        values["size_bytes"] = str(values["size_bytes"])  # as TES has it
    return convert(values, kind)


def _present(value: Any) -> Any:
    """Leave out what is absent, at any depth."""
    if isinstance(value, dict):
        return {
            name: _present(each)
            for name, each in value.items()
            if each is not None and each not in ((), [])
        }
    if isinstance(value, list | tuple):
        return [_present(each) for each in value]
    return value
