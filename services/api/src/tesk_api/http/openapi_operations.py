"""Describes operations in the OpenAPI document: any, and those that take tasks."""

from typing import Any

from tesk_api.http.batches import MAX_TASKS
from tesk_api.http.openapi_parameters import idempotency_key_parameter

Json = dict[str, Any]

REF = "#/components/schemas/{name}"
READ_ERRORS = {
    "400": "A parameter is wrong.",
    "401": "Credentials are missing or wrong.",
    "429": "Too many requests at once.",
    "503": "The scheduler does not answer; come back later.",
}
EXAMPLE = {
    "name": "hello",
    "executors": [{"image": "busybox", "command": ["echo", "hello"]}],
}
NOT_FOUND = {"404": "There is no such task, or it is another user's."}
CREATE_ERRORS = {
    "403": "The user may not create tasks.",
    "413": "The body is larger than the limit.",
    "415": "The body is not JSON.",
}


def operation(
    name: str, summary: str, response: str, *, errors: dict[str, str] | None = None
) -> Json:
    """Describe one operation; without ``errors`` it has none of its own."""
    described = {} if errors is None else READ_ERRORS | errors
    return {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": {
                "description": "Done.",
                "content": {"application/json": {"schema": reference(response)}},
            },
        }
        | {
            status: {
                "description": description,
                "content": {
                    "application/problem+json": {"schema": reference("Problem")}
                },
            }
            for status, description in sorted(described.items())
        },
    }


def reference(name: str) -> Json:
    """Refer to a schema."""
    return {"$ref": REF.format(name=name)}


def create_operation(suffix: str) -> Json:
    """Describe CreateTask; ``suffix`` keeps its id apart from others'."""
    described = operation(
        f"CreateTask_{suffix}",
        "Create a task; 200 means that it is durable",
        "CreatedTask",
        errors=CREATE_ERRORS,
    )
    media = {"schema": reference("TaskBody"), "example": EXAMPLE}
    return described | {
        "parameters": [idempotency_key_parameter()],
        "requestBody": {"required": True, "content": {"application/json": media}},
    }


def batch_operation() -> Json:
    """Describe the creation of many tasks."""
    described = operation(
        "CreateTasks",
        "Extension: create tasks, each independently of the others",
        "BatchResult",
        errors=CREATE_ERRORS,
    )
    schema = {
        "type": "object",
        "required": ["tasks"],
        "additionalProperties": False,
        "properties": {
            "tasks": {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_TASKS,
                # One that is none has a result that says so; the others are created.
                "items": {"anyOf": [reference("TaskBody"), {}]},
            }
        },
    }
    media = {"schema": schema, "example": {"tasks": [EXAMPLE]}}
    return described | {
        "parameters": [idempotency_key_parameter()],
        "requestBody": {"required": True, "content": {"application/json": media}},
    }


def check_operation() -> Json:
    """Describe the dry run of a task."""
    described = operation(
        "CheckTask",
        "Extension: what would come of a task if it were created now; nothing is",
        "CheckedTask",
        errors=CREATE_ERRORS
        | {"429": "Too many checks run, or too many urls were asked for of late."},
    )
    # One that is no valid task has a result that says why.
    schema = {"anyOf": [reference("TaskBody"), {}]}
    media = {"schema": schema, "example": EXAMPLE}
    return described | {
        "requestBody": {"required": True, "content": {"application/json": media}},
    }
