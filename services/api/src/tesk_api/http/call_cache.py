"""Serves why a task was, or was not, taken from the call cache, an extension of TESK."""

from flask import Blueprint, Response
from msgspec import UNSET, UnsetType

from tesk.v1 import task_pb2 as pb
from tesk_api.http.identity import Identify
from tesk_api.http.responses import ResponseBody, json_response
from tesk_api.http.tasks import parse_task_id
from tesk_api.ports import TaskGateway
from tesk_model.call_cache import CacheExplanation, CacheResult


class CacheDifference(ResponseBody, frozen=True, kw_only=True):
    """A field in which two tasks differ; a value that is not there is absent."""

    field: str
    value: str | UnsetType = UNSET
    candidate_value: str | UnsetType = UNSET


class CacheReport(ResponseBody, frozen=True, kw_only=True):
    """What the call cache did for a task; what does not apply is absent."""

    result: CacheResult
    explanation: str
    reusable: bool
    not_reusable: str | UnsetType = UNSET
    candidate: str | UnsetType = UNSET
    differences: tuple[CacheDifference, ...] | UnsetType = UNSET
    more_differences: int | UnsetType = UNSET


def call_cache_blueprint(tasks: TaskGateway[pb.Task], identify: Identify) -> Blueprint:
    """Return ``/tesk/v1/tasks/{id}/why-not-cached``."""
    blueprint = Blueprint("call_cache", __name__, url_prefix="/tesk/v1")

    @blueprint.get("/tasks/<task_id:task_id>/why-not-cached")
    def why_not_cached(task_id: str) -> Response:
        found = tasks.explain_call_cache(identify(), parse_task_id(task_id))
        return json_response(_report(found))

    return blueprint


def _report(found: CacheExplanation) -> CacheReport:
    return CacheReport(
        result=found.result,
        explanation=found.explanation,
        reusable=found.reusable,
        not_reusable=found.not_reusable or UNSET,
        candidate=found.candidate or UNSET,
        differences=tuple(
            CacheDifference(
                field=each.field,
                value=each.value or UNSET,
                candidate_value=each.candidate_value or UNSET,
            )
            for each in found.differences
        )
        or UNSET,
        more_differences=found.more_differences or UNSET,
    )
