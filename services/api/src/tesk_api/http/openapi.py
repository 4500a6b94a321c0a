"""Builds the OpenAPI document.

Schemas of request bodies come from the models that validate them, those of responses
from the types that are sent.
"""

from typing import Any

import msgspec

from tesk_api.domain.requests import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE
from tesk_api.domain.service_info import ServiceInfo
from tesk_api.http.bodies import TaskBody
from tesk_api.http.responses import DOCUMENTED
from tesk_model.states import TaskState
from tesk_model.task import TaskView

Json = dict[str, Any]

_REF = "#/components/schemas/{name}"
_READ_ERRORS = {
    "400": "A parameter is wrong.",
    "401": "Credentials are missing or wrong.",
    "429": "Too many requests at once.",
    "503": "The scheduler does not answer; come back later.",
}
_EXAMPLE = {
    "name": "hello",
    "executors": [{"image": "busybox", "command": ["echo", "hello"]}],
}
_NOT_FOUND = {"404": "There is no such task, or it is another user's."}
_CREATE_ERRORS = {
    "403": "The user may not create tasks.",
    "413": "The body is larger than the limit.",
    "415": "The body is not JSON.",
}


def openapi_document(info: ServiceInfo, *, bases: tuple[str, ...]) -> Json:
    """Return the document, for all paths at which TES is served."""
    body = TaskBody.model_json_schema(ref_template=_REF.format(name="{model}"))
    responses = msgspec.json.schema_components(DOCUMENTED, ref_template=_REF)[1]
    schemas = body.pop("$defs", {}) | {"TaskBody": body} | responses
    paths: Json = {}
    for base in bases:
        paths |= _tes_paths(base)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": info.name,
            "version": info.version,
            "description": "GA4GH Task Execution Service 1.1. "
            "Paths below /tesk are extensions of TESK.",
        },
        "paths": paths | _own_paths(),
        "components": {
            "schemas": schemas,
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
        },
        "security": [{}, {"basic": []}],
    }


def _tes_paths(base: str) -> Json:
    suffix = base.strip("/").replace("/", "_")
    return {
        f"{base}/service-info": {
            "get": _operation(
                f"GetServiceInfo_{suffix}", "About this service", "ServiceInfo"
            )
            | {"security": []},
        },
        f"{base}/tasks": {
            "get": _operation(
                f"ListTasks_{suffix}", "List tasks, newest first", "TaskList", errors={}
            )
            | {"parameters": _list_parameters()},
            "post": _create_operation(suffix),
        },
        f"{base}/tasks/{{id}}": {
            "parameters": [_task_id()],
            "get": _operation(
                f"GetTask_{suffix}", "Read a task", "Task", errors=_NOT_FOUND
            )
            | {"parameters": [_view()]},
        },
        f"{base}/tasks/{{id}}:cancel": {
            "parameters": [_task_id()],
            "post": _operation(
                f"CancelTask_{suffix}",
                "Cancel a task; a final one stays as it is",
                "Nothing",
                errors=_NOT_FOUND,
            ),
        },
    }


def _create_operation(suffix: str) -> Json:
    operation = _operation(
        f"CreateTask_{suffix}",
        "Create a task; 200 means that it is durable",
        "CreatedTask",
        errors=_CREATE_ERRORS,
    )
    media = {"schema": _reference("TaskBody"), "example": _EXAMPLE}
    return operation | {
        "parameters": [_idempotency_key()],
        "requestBody": {"required": True, "content": {"application/json": media}},
    }


def _own_paths() -> Json:
    return {
        "/tesk/v1/tasks/{id}": {
            "parameters": [_task_id()],
            "get": _operation(
                "WatchTask",
                "Extension: what a task does now, with the output of running executors",
                "LiveTask",
                errors=_NOT_FOUND,
            ),
        },
        "/healthz": {
            "get": _operation("Health", "The process lives", "Health")
            | {"security": []}
        },
        "/readyz": {
            "get": _operation("Readiness", "Tasks can be served", "Health", errors={})
            | {"security": []}
        },
    }


def _operation(
    name: str, summary: str, response: str, *, errors: dict[str, str] | None = None
) -> Json:
    """Describe one operation; without ``errors`` it has none of its own."""
    described = {} if errors is None else _READ_ERRORS | errors
    return {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": {
                "description": "Done.",
                "content": {"application/json": {"schema": _reference(response)}},
            },
        }
        | {
            status: {
                "description": description,
                "content": {
                    "application/problem+json": {"schema": _reference("Problem")}
                },
            }
            for status, description in sorted(described.items())
        },
    }


def _reference(name: str) -> Json:
    return {"$ref": _REF.format(name=name)}


def _list_parameters() -> list[Json]:
    text = {"type": "string"}
    many = {"type": "array", "items": text}
    states = {"type": "string", "enum": ["", *TaskState]}
    size = {
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE},
            {"const": ""},
        ],
        "default": DEFAULT_PAGE_SIZE,
    }
    return [
        _parameter("name_prefix", text, "Literal beginning of the name."),
        _parameter("state", states, "Exact state."),
        _parameter("tag_key", many, "Keys that tags must have; zipped with tag_value."),
        _parameter("tag_value", many, "Values of the keys; empty means any value."),
        _parameter("page_size", size, "Most tasks in one response."),
        _parameter("page_token", text, "next_page_token of the page before."),
        _view(),
    ]


def _view() -> Json:
    views = {"type": "string", "enum": ["", *TaskView]}
    return _parameter("view", views | {"default": "MINIMAL"}, "How much is shown.")


def _task_id() -> Json:
    schema = {"type": "string"}
    return _parameter("id", schema, "Id of a task.", where="path") | {"required": True}


def _idempotency_key() -> Json:
    return _parameter(
        "Idempotency-Key",
        # Blanks around it are HTTP's; an empty one counts as not given.
        {"type": "string", "pattern": r"^[ \t]*[\x21-\x7e]{0,128}[ \t]*$"},
        "The same key of the same user answers the task created first. Empty: none.",
        where="header",
    )


def _parameter(
    name: str, schema: Json, description: str, *, where: str = "query"
) -> Json:
    return {"name": name, "in": where, "schema": schema, "description": description}
