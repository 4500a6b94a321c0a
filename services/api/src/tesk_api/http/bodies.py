"""Declares the JSON body of a task as pydantic models.

The models check single values; ``task_parsing`` checks values against each other with
``domain.rules``. Strict: a number in quotes is not a number. ``null`` is the same as
absent, also in maps, because clients send unset fields so. The check of a list ends at
its first wrong item (``violations`` checks the items of some one by one), because
errors of pydantic take more memory than the values.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    WithJsonSchema,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from tesk_api.domain.rules import (
    stream_problem,
    variable_name_problem,
    workdir_problem,
)
from tesk_model.errors import Violation
from tesk_model.paths import path_problem

# Type of errors from ``domain.rules``; their ``ctx`` holds the problems, each with the
# path below that of the error.
RULE = "tesk_rule"
_INT32_MAX = 2**31 - 1

MAX_FILES = 10_000  # inputs; outputs
MAX_EXECUTORS = 1000
MAX_VOLUMES = 1000
MAX_ARGUMENTS = 10_000
MAX_ENTRIES = 1000  # of tags, variables, backend parameters
MAX_ZONES = 1000


def _rule(problems: list[Violation]) -> PydanticCustomError:
    return PydanticCustomError(RULE, "violates a rule", {"problems": problems})


def _checked(rule: Callable[[str], str | None]) -> AfterValidator:
    def check(value: str) -> str:
        if problem := rule(value):
            raise _rule([Violation("", problem)])
        return value

    return AfterValidator(check)


def _check_program(command: list[str]) -> list[str]:
    if not command[0]:
        raise _rule([Violation("[0]", "must name a program; it is empty")])
    return command


def _check_names(env: dict[str, str | None]) -> dict[str, str | None]:
    problems = [
        Violation(name[:64], problem)
        for name in env
        if (problem := variable_name_problem(name))
    ]
    if problems:
        raise _rule(problems)
    return env


def _text(max_length: int) -> Any:
    # Programs, file names and database columns cannot hold NUL; contents of files can.
    return Field(
        pattern=r"^[^\x00]*$", max_length=max_length, json_schema_extra=_without_length
    )


def _without_length(schema: JsonDict) -> None:
    # Generators of test data need minutes for a pattern with such a length.
    schema.pop("maxLength", None)


def _max_items(count: int) -> Any:
    # Declared here; ``size_limits`` checks it before the models do.
    return Field(json_schema_extra={"maxItems": count}, fail_fast=True)


Name = Annotated[str, _text(65_536)]
Text = Annotated[str, _text(1_048_576)]
Url = Annotated[str, _text(16_384)]
TextMap = Annotated[
    dict[Name, Text | None], Field(json_schema_extra={"maxProperties": MAX_ENTRIES})
]
_ABSOLUTE = Field(json_schema_extra={"pattern": "^/"})
ContainerPath = Annotated[str, _checked(path_problem), _ABSOLUTE]
StreamPath = Annotated[str, _checked(stream_problem), _ABSOLUTE]
WorkingDirectory = Annotated[str, _checked(workdir_problem), _ABSOLUTE]
Kind = Literal["FILE", "DIRECTORY"]
ReadOnly = Annotated[Any, WithJsonSchema({"readOnly": True})]


class Body(BaseModel):
    """Keeps unknown fields, so that a warning can name them."""

    model_config = ConfigDict(strict=True, extra="allow")


class InputBody(Body):
    """tesInput."""

    path: ContainerPath
    url: Url | None = None
    content: str | None = None
    type: Kind | None = None
    name: Name | None = None
    description: Text | None = None
    streamable: bool | None = None


class OutputBody(Body):
    """tesOutput."""

    path: ContainerPath
    url: Url
    path_prefix: Name | None = None
    type: Kind | None = None
    name: Name | None = None
    description: Text | None = None


class ExecutorBody(Body):
    """tesExecutor."""

    image: Annotated[
        str,
        Field(
            pattern=r"^[^\s\x00]+$",
            max_length=4096,
            json_schema_extra=_without_length,
        ),
    ]
    command: Annotated[
        list[Text],
        Field(min_length=1),
        _max_items(MAX_ARGUMENTS),
        AfterValidator(_check_program),
    ]
    workdir: WorkingDirectory | None = None
    stdin: StreamPath | None = None
    stdout: StreamPath | None = None
    stderr: StreamPath | None = None
    env: Annotated[TextMap, AfterValidator(_check_names)] | None = None
    ignore_error: bool | None = None


class ResourcesBody(Body):
    """tesResources."""

    cpu_cores: Annotated[float, Field(gt=0, le=_INT32_MAX)] | None = None
    ram_gb: Annotated[float, Field(gt=0, le=_INT32_MAX)] | None = None
    disk_gb: Annotated[float, Field(ge=0, le=_INT32_MAX)] | None = None
    preemptible: bool | None = None
    zones: Annotated[list[Name], _max_items(MAX_ZONES)] | None = None
    backend_parameters: TextMap | None = None
    backend_parameters_strict: bool | None = None


class TaskBody(Body):
    """tesTask, as a client sends it; fields of the server are ignored."""

    name: Name | None = None
    description: Text | None = None
    inputs: Annotated[list[InputBody], _max_items(MAX_FILES)] | None = None
    outputs: Annotated[list[OutputBody], _max_items(MAX_FILES)] | None = None
    resources: ResourcesBody | None = None
    executors: Annotated[
        list[ExecutorBody], Field(min_length=1), _max_items(MAX_EXECUTORS)
    ]
    volumes: Annotated[list[ContainerPath], _max_items(MAX_VOLUMES)] | None = None
    tags: TextMap | None = None
    id: ReadOnly = None
    state: ReadOnly = None
    logs: ReadOnly = None
    creation_time: ReadOnly = None
