"""Builds the OpenAPI document.

Schemas of request bodies come from the models that validate them, those of responses
from the types that are sent.
"""

from typing import Any

import msgspec

from tesk_api.domain.service_info import ServiceInfo
from tesk_api.http.bodies import TaskBody
from tesk_api.http.call_cache import CacheReport
from tesk_api.http.openapi_operations import (
    NOT_FOUND,
    REF,
    create_operation,
    operation,
)
from tesk_api.http.openapi_own_paths import own_paths
from tesk_api.http.openapi_parameters import (
    list_parameters,
    task_id_parameter,
    view_parameter,
)
from tesk_api.http.responses import DOCUMENTED
from tesk_api.http.task_checks import CheckedTask

Json = dict[str, Any]


def openapi_document(info: ServiceInfo, *, bases: tuple[str, ...]) -> Json:
    """Return the document, for all paths at which TES is served."""
    body = TaskBody.model_json_schema(ref_template=REF.format(name="{model}"))
    responses = msgspec.json.schema_components(
        (*DOCUMENTED, CheckedTask, CacheReport), ref_template=REF
    )[1]
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
        "paths": paths | own_paths(),
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
            "get": operation(
                f"GetServiceInfo_{suffix}", "About this service", "ServiceInfo"
            )
            | {"security": []},
        },
        f"{base}/tasks": {
            "get": operation(
                f"ListTasks_{suffix}", "List tasks, newest first", "TaskList", errors={}
            )
            | {"parameters": list_parameters()},
            "post": create_operation(suffix),
        },
        f"{base}/tasks/{{id}}": {
            "parameters": [task_id_parameter()],
            "get": operation(
                f"GetTask_{suffix}", "Read a task", "Task", errors=NOT_FOUND
            )
            | {"parameters": [view_parameter()]},
        },
        f"{base}/tasks/{{id}}:cancel": {
            "parameters": [task_id_parameter()],
            "post": operation(
                f"CancelTask_{suffix}",
                "Cancel a task; a final one stays as it is",
                "Nothing",
                errors=NOT_FOUND,
            ),
        },
    }
