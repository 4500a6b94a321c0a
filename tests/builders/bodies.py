"""Bodies of tasks with one part given, and the problems found in them."""

import json
from typing import Any

from builders.tasks import make_task_json
from tesk_api.http.task_parsing import TaskParser
from tesk_model.errors import InvalidRequestError


def executor(**fields: Any) -> dict[str, Any]:
    """Return a task of one executor with these fields."""
    return make_task_json(
        executors=[{"image": "busybox", "command": ["true"]} | fields]
    )


def inputs(*entries: dict[str, Any]) -> dict[str, Any]:
    """Return a task with these inputs."""
    return make_task_json(inputs=list(entries))


def outputs(**fields: Any) -> dict[str, Any]:
    """Return a task of one output with these fields."""
    return make_task_json(outputs=[{"path": "/o/a", "url": "s3://b/k"} | fields])


def resources(**fields: Any) -> dict[str, Any]:
    """Return a task with these resources."""
    return make_task_json(resources=fields)


WITH_FILE = inputs(
    {"path": "/i", "url": "/x"},
    {"path": "/a", "url": "/x", "type": "DIRECTORY"},
    {"path": "/a/b", "url": "/x"},
)


def problems(parser: TaskParser, body: Any) -> list[str]:
    """Return what the parser says is wrong, one text for each problem."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        parser.parse(raw)
    except InvalidRequestError as error:
        return [str(violation) for violation in error.violations]
    return []
