"""JSON Schemas of answers, closed: typed clients fail on a key they do not know."""

from typing import Any

from tesk_model.states import TaskState

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_TEXTS: Json = {"type": "array", "items": _TEXT}
_MAP: Json = {"type": "object", "additionalProperties": _TEXT}
_FLAG: Json = {"type": "boolean"}
_NUMBER: Json = {"type": "number"}
_WHOLE: Json = {"type": "integer"}
_TIME: Json = {"type": "string", "format": "date-time"}
_KIND: Json = {"type": "string", "enum": ["FILE", "DIRECTORY"]}
_STATE: Json = {"type": "string", "enum": [state.value for state in TaskState]}


def _object(fields: Json, *, required: tuple[str, ...] = ()) -> Json:
    return {
        "type": "object",
        "properties": fields,
        "required": list(required),
        "additionalProperties": False,
    }


def _array(item: str) -> Json:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{item}"}}


RESPONSES: Json = {
    "Nothing": _object({}),
    "Health": _object({"status": _TEXT}, required=("status",)),
    "CreatedTask": _object({"id": _TEXT}, required=("id",)),
    "TaskList": _object(
        {"tasks": _array("Task"), "next_page_token": _TEXT}, required=("tasks",)
    ),
    "Task": _object(
        {
            "id": _TEXT,
            "state": _STATE,
            "name": _TEXT,
            "description": _TEXT,
            "creation_time": _TIME,
            "inputs": _array("Input"),
            "outputs": _array("Output"),
            "resources": {"$ref": "#/components/schemas/Resources"},
            "executors": _array("Executor"),
            "volumes": _TEXTS,
            "tags": _MAP,
            "logs": _array("TaskLog"),
        },
        required=("id", "state"),
    ),
    "Input": _object(
        {
            "path": _TEXT,
            "url": _TEXT,
            "content": _TEXT,
            "type": _KIND,
            "name": _TEXT,
            "description": _TEXT,
            "streamable": _FLAG,
        },
        required=("path", "type"),
    ),
    "Output": _object(
        {
            "path": _TEXT,
            "url": _TEXT,
            "path_prefix": _TEXT,
            "type": _KIND,
            "name": _TEXT,
            "description": _TEXT,
        },
        required=("path", "url", "type"),
    ),
    "Resources": _object(
        {
            "cpu_cores": _NUMBER,
            "ram_gb": _NUMBER,
            "disk_gb": _NUMBER,
            "preemptible": _FLAG,
            "zones": _TEXTS,
            "backend_parameters": _MAP,
            "backend_parameters_strict": _FLAG,
        }
    ),
    "Executor": _object(
        {
            "image": _TEXT,
            "command": _TEXTS,
            "workdir": _TEXT,
            "stdin": _TEXT,
            "stdout": _TEXT,
            "stderr": _TEXT,
            "env": _MAP,
            "ignore_error": _FLAG,
        },
        required=("image", "command"),
    ),
    "TaskLog": _object(
        {
            "start_time": _TIME,
            "end_time": _TIME,
            "logs": _array("ExecutorLog"),
            "outputs": _array("OutputFileLog"),
            "metadata": _MAP,
            "system_logs": _TEXTS,
        },
        required=("logs", "outputs"),
    ),
    "ExecutorLog": _object(
        {
            "start_time": _TIME,
            "end_time": _TIME,
            "stdout": _TEXT,
            "stderr": _TEXT,
            "exit_code": _WHOLE,
        },
        required=("exit_code",),
    ),
    "OutputFileLog": _object(
        {"url": _TEXT, "path": _TEXT, "size_bytes": _TEXT | {"pattern": "^[0-9]+$"}},
        required=("url", "path", "size_bytes"),
    ),
    "LiveTask": _object(
        {
            "id": _TEXT,
            "state": _STATE,
            "reason": _TEXT,
            "reason_code": _TEXT,
            "metadata": _MAP,
            "executors": {
                "type": "array",
                "items": _object(
                    {
                        "index": _WHOLE,
                        "start_time": _TIME,
                        "end_time": _TIME,
                        "exit_code": _WHOLE,
                        "stdout": _TEXT,
                        "stderr": _TEXT,
                    },
                    required=("index", "stdout", "stderr"),
                ),
            },
            "outputs": _array("OutputFileLog"),
            "system_logs": _TEXTS,
        },
        required=(
            *("id", "state", "reason", "reason_code", "metadata"),
            *("executors", "outputs", "system_logs"),
        ),
    ),
    "ServiceInfo": _object(
        {
            "id": _TEXT,
            "name": _TEXT,
            "type": _object(
                {"group": _TEXT, "artifact": _TEXT, "version": _TEXT},
                required=("group", "artifact", "version"),
            ),
            "description": _TEXT,
            "organization": _object(
                {"name": _TEXT, "url": _TEXT}, required=("name", "url")
            ),
            "contactUrl": _TEXT,
            "documentationUrl": _TEXT,
            "createdAt": _TIME,
            "updatedAt": _TIME,
            "environment": _TEXT,
            "version": _TEXT,
            "storage": _TEXTS,
            "tesResources_backend_parameters": _TEXTS,
        },
        required=("id", "name", "type", "organization", "version"),
    ),
    "Problem": _object(
        {
            "type": _TEXT,
            "title": _TEXT,
            "status": _WHOLE,
            "detail": _TEXT,
            "message": _TEXT,
            "request_id": _TEXT,
            "errors": {
                "type": "array",
                "items": _object(
                    {"path": _TEXT, "message": _TEXT}, required=("path", "message")
                ),
            },
        },
        required=("type", "title", "status", "detail", "message"),
    ),
}
