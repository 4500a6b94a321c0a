"""Describes parameters in the OpenAPI document."""

from typing import Any

from tesk_api.domain.requests import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE
from tesk_model.states import TaskState
from tesk_model.task import TaskView

Json = dict[str, Any]


def list_parameters() -> list[Json]:
    """Describe the parameters of lists."""
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
        parameter("name_prefix", text, "Literal beginning of the name."),
        parameter("state", states, "Exact state."),
        parameter("tag_key", many, "Keys that tags must have; zipped with tag_value."),
        parameter("tag_value", many, "Values of the keys; empty means any value."),
        parameter("page_size", size, "Most tasks in one response."),
        parameter("page_token", text, "next_page_token of the page before."),
        view_parameter(),
    ]


def filter_parameters() -> list[Json]:
    """Describe those of them that choose tasks."""
    names = ("name_prefix", "state", "tag_key", "tag_value")
    return [each for each in list_parameters() if each["name"] in names]


def cancel_parameters() -> list[Json]:
    """Describe the parameters of a cancellation of many tasks."""
    switch = {"type": "string", "enum": ["", "true", "false"]}
    unused = ("page_size", "view")
    return [
        *(each for each in list_parameters() if each["name"] not in unused),
        parameter("dry_run", switch, "true: only tell which."),
        parameter("all", switch, "true: needed without any other condition."),
    ]


def view_parameter() -> Json:
    """Describe ``view``."""
    views = {"type": "string", "enum": ["", *TaskView]}
    return parameter("view", views | {"default": "MINIMAL"}, "How much is shown.")


def task_id_parameter() -> Json:
    """Describe the id in a path."""
    schema = {"type": "string"}
    return parameter("id", schema, "Id of a task.", where="path") | {"required": True}


def idempotency_key_parameter() -> Json:
    """Describe the header by which a create can be repeated."""
    return parameter(
        "Idempotency-Key",
        # Blanks around it are HTTP's; an empty one counts as not given.
        {"type": "string", "pattern": r"^[ \t]*[\x21-\x7e]{0,128}[ \t]*$"},
        "The same key of the same user answers the task created first. Empty: none.",
        where="header",
    )


def last_event_id_parameter(effect: str) -> Json:
    """Describe the header by which a stream goes on; ``effect`` says how."""
    return parameter(
        "Last-Event-ID",
        {"type": "string"},
        f"The id of the last event: {effect}.",
        where="header",
    )


def parameter(
    name: str, schema: Json, description: str, *, where: str = "query"
) -> Json:
    """Describe a parameter."""
    return {"name": name, "in": where, "schema": schema, "description": description}
