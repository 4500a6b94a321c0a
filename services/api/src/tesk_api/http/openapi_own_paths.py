"""Describes the paths that are TESK's own, in the OpenAPI document."""

from typing import Any

from tesk_api.domain.task_events import TASK_EVENTS
from tesk_api.http.change_events import CHANGE_EVENTS
from tesk_api.http.openapi_events import stream_content
from tesk_api.http.openapi_operations import (
    NOT_FOUND,
    batch_operation,
    check_operation,
    operation,
    reference,
)
from tesk_api.http.openapi_parameters import (
    cancel_parameters,
    filter_parameters,
    last_event_id_parameter,
    list_parameters,
    parameter,
    task_id_parameter,
)
from tesk_api.http.reports import FORMATS

Json = dict[str, Any]


def own_paths() -> Json:
    """Describe what is TESK's own."""
    return {
        "/tesk/v1/tasks:batch": {"post": batch_operation()},
        "/tesk/v1/tasks:check": {"post": check_operation()},
        "/tesk/v1/tasks:cancel": {
            "post": operation(
                "CancelTasks",
                "Extension: cancel one page of the tasks that match",
                "CanceledTasks",
                errors={},
            )
            | {"parameters": cancel_parameters()},
        },
        "/tesk/v1/tasks": {
            "get": operation(
                "WatchTasks",
                "Extension: tasks, newest first, and what each waits for",
                "LiveTaskList",
                errors={},
            )
            | {"parameters": list_parameters()[:-1]},
        },
        "/tesk/v1/tasks/{id}": {
            "parameters": [task_id_parameter()],
            "get": operation(
                "WatchTask",
                "Extension: what a task does now, with the output of running executors",
                "LiveTask",
                errors=NOT_FOUND,
            ),
        },
        "/tesk/v1/tasks/{id}/events": {
            "parameters": [
                task_id_parameter(),
                last_event_id_parameter(
                    "the task is sent only if it has changed since"
                ),
            ],
            "get": _events_operation(),
        },
        "/tesk/v1/events": {
            "parameters": [
                last_event_id_parameter("what happened after it is told first")
            ],
            "get": _changes_operation() | {"parameters": filter_parameters()},
        },
        "/tesk/v1/tasks/{id}/report": {
            "parameters": [task_id_parameter()],
            "get": _report_operation(),
        },
        "/tesk/v1/tasks/{id}/why-not-cached": {
            "parameters": [task_id_parameter()],
            "get": operation(
                "ExplainCallCache",
                "Extension: what the call cache did for a task, and why",
                "CacheReport",
                errors=NOT_FOUND,
            ),
        },
        "/healthz": {
            "get": operation("Health", "The process lives", "Health") | {"security": []}
        },
        "/readyz": {
            "get": operation("Readiness", "Tasks can be served", "Health", errors={})
            | {"security": []}
        },
    }


def _events_operation() -> Json:
    described = operation(
        "FollowTask",
        "Extension: what happens to a task, as server-sent events, until it has ended",
        "LiveTask",
        errors=NOT_FOUND,
    )
    told: Json = {name: {"type": "object"} for name in TASK_EVENTS}
    told["task"] = reference("LiveTask")
    described["responses"]["200"]["content"] = stream_content(told)
    return described


def _changes_operation() -> Json:
    described = operation(
        "FollowTasks",
        "Extension: changes of the states of tasks, as server-sent events",
        "TaskChange",
        errors={},
    )
    told = {name: reference(data.__name__) for name, data in CHANGE_EVENTS.items()}
    described["responses"]["200"]["content"] = stream_content(told)
    return described


def _report_operation() -> Json:
    described = operation(
        "ReportTask",
        "Extension: the record of a task, also as text and as an RO-Crate",
        "Nothing",
        errors=NOT_FOUND,
    )
    content = {
        "application/json": {"schema": {"type": "object"}},
        "text/plain": {"schema": {"type": "string"}},
    }
    kinds = {"type": "string", "enum": ["", *FORMATS]}
    described["responses"]["200"] = {"description": "Done.", "content": content}
    return described | {"parameters": [parameter("format", kinds, "By default json.")]}
