"""Parses and validates the body of CreateTask."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, is_dataclass, replace
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.config import ExtraValues

from tesk_api.domain.backend_parameters import (
    ClassifiedParameters,
    Offered,
    classify_parameters,
    parameter_problems,
)
from tesk_api.domain.offers import Offer
from tesk_api.domain.path_conflicts import TaskPaths, file_conflicts, input_conflicts
from tesk_api.domain.references import reference_conflicts
from tesk_api.domain.requests import NewTask
from tesk_api.domain.rules import (
    input_problems,
    output_problems,
    without_final_slashes,
)
from tesk_api.domain.target_conflicts import target_conflicts
from tesk_api.http.bodies import (
    Body,
    ExecutorBody,
    InputBody,
    OutputBody,
    ResourcesBody,
    TaskBody,
)
from tesk_api.http.body_documents import (
    to_executor,
    to_input,
    to_output,
    to_resources,
    to_task,
)
from tesk_api.http.json_bodies import may_have_values, parse_json
from tesk_api.http.size_limits import MAX_FIELDS, size_problems
from tesk_api.http.violations import (
    body_problems,
    format_name,
    format_path,
    raise_if_any,
)
from tesk_model.errors import Violation
from tesk_model.fields import document_fields
from tesk_model.paths import path_problem
from tesk_model.task import Resources, Task

_MAX_NAMED = 20
_OBJECTS = [
    field.name
    for field in document_fields(Task)
    if is_dataclass(field.type) and not field.read_only
]

BodyT = TypeVar("BodyT", bound=Body)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskParser:
    """Parses the body of CreateTask.

    Attributes:
        backend_parameters: Supported keys, in any case, with allowed values.
        refuse_unknown_fields: Whether a field that TES does not know is an
            error; otherwise it is dropped, with a warning.
        offer: Which urls tasks may use.
    """

    backend_parameters: Offered = field(default_factory=dict)
    refuse_unknown_fields: bool = False
    offer: Offer = field(default_factory=Offer)

    def parse(self, body: bytes) -> NewTask:
        """Return the task that ``body`` describes.

        Raises:
            InvalidRequestError: Lists the problems, each by its path.
        """
        document = parse_json(body)
        if may_have_values(body, MAX_FIELDS):
            raise_if_any(size_problems(document))
        return self._parse(document)

    def parse_document(self, document: Any) -> NewTask:
        """Return the task that a parsed part of a body describes.

        Raises:
            InvalidRequestError: As ``parse``.
        """
        raise_if_any(size_problems(document))
        return self._parse(document)

    def _parse(self, document: Any) -> NewTask:
        extra = self._extra
        try:
            model = TaskBody.model_validate(document, extra=extra)
        except ValidationError:
            # Its errors may take much memory: they are found again one by one.
            raise_if_any(self._body_problems(document))
            raise  # unreachable: pydantic refuses only bodies with a problem
        task, shortened = without_final_slashes(to_task(model))
        raise_if_any(self._problems(_parts(task), task.resources))
        supported, warnings = self._without_unsupported(task)
        return NewTask(
            task=supported,
            warnings=(
                *_unknown_fields(model),
                *_warning("ignored the slash at the end of", shortened),
                *warnings,
            ),
        )

    @property
    def _extra(self) -> ExtraValues:
        return "forbid" if self.refuse_unknown_fields else "allow"

    def _body_problems(self, document: Any) -> Iterator[Violation]:
        """Yield the problems of a body that is not a valid task.

        Rules between its valid parts are checked as well.
        """
        yield from body_problems(document, extra=self._extra)
        yield from _problems_beside_paths(document, self.offer)
        yield from self._problems(*_valid_parts(document))

    def _problems(
        self, parts: TaskPaths, resources: Resources | None
    ) -> Iterator[Violation]:
        for index, entry in parts.inputs:
            yield from _below(f"inputs[{index}]", input_problems(entry, self.offer))
        for index, output in parts.outputs:
            yield from _below(f"outputs[{index}]", output_problems(output, self.offer))
        yield from input_conflicts(parts.inputs)
        yield from file_conflicts(parts)
        yield from reference_conflicts(parts)
        yield from target_conflicts(parts.outputs)
        if resources is not None:
            yield from parameter_problems(resources, self.backend_parameters)

    def _without_unsupported(self, task: Task) -> tuple[Task, tuple[str, ...]]:
        if task.resources is None or not task.resources.backend_parameters:
            return task, ()
        found = classify_parameters(
            task.resources.backend_parameters, self.backend_parameters
        )
        resources = replace(task.resources, backend_parameters=found.supported)
        return replace(task, resources=resources), _dropped_parameters(found)


def _below(path: str, problems: Iterator[Violation]) -> Iterator[Violation]:
    for problem in problems:
        yield Violation(f"{path}.{problem.path}", problem.message)


def _parts(task: Task) -> TaskPaths:
    return TaskPaths(
        inputs=tuple(enumerate(task.inputs)),
        outputs=tuple(enumerate(task.outputs)),
        executors=tuple(enumerate(task.executors)),
        volumes=tuple(enumerate(task.volumes)),
    )


def _valid_parts(document: Any) -> tuple[TaskPaths, Resources | None]:
    """Return the valid parts of a body that is not valid."""
    if not isinstance(document, dict):
        return TaskPaths((), (), (), ()), None
    inputs = _valid_items(InputBody, document.get("inputs"))
    outputs = _valid_items(OutputBody, document.get("outputs"))
    executors = _valid_items(ExecutorBody, document.get("executors"))
    resources = _valid(ResourcesBody, document.get("resources"))
    parts = TaskPaths(
        inputs=[(index, to_input(entry)) for index, entry in inputs],
        outputs=[(index, to_output(entry)) for index, entry in outputs],
        executors=[(index, to_executor(entry)) for index, entry in executors],
        volumes=[
            (index, path)
            for index, path in enumerate(_listed(document.get("volumes")))
            if isinstance(path, str) and path_problem(path) is None
        ],
    )
    return parts, to_resources(resources) if resources else None


def _problems_beside_paths(document: Any, offer: Offer) -> Iterator[Violation]:
    """Yield further problems of inputs and outputs whose path is not valid."""
    if not isinstance(document, dict):
        return
    for index, entry in _with_a_valid_path(InputBody, document.get("inputs")):
        yield from _below(f"inputs[{index}]", input_problems(to_input(entry), offer))
    for index, output in _with_a_valid_path(OutputBody, document.get("outputs")):
        yield from _below(
            f"outputs[{index}]", output_problems(to_output(output), offer)
        )


def _with_a_valid_path(
    model: type[BodyT], documents: Any
) -> Iterator[tuple[int, BodyT]]:
    """Yield the items whose path alone is not valid, with a valid one instead."""
    for index, document in enumerate(_listed(documents)):
        if isinstance(document, dict) and _valid(model, document) is None:
            repaired = _valid(model, {**document, "path": "/path"})
            if repaired is not None:
                yield index, repaired


def _valid_items(model: type[BodyT], documents: Any) -> Iterator[tuple[int, BodyT]]:
    for index, document in enumerate(_listed(documents)):
        if entry := _valid(model, document):
            yield index, entry


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _valid(model: type[BodyT], document: Any) -> BodyT | None:
    try:
        return model.model_validate(document)
    except ValidationError:
        return None


def _unknown_fields(model: TaskBody) -> tuple[str, ...]:
    """Return the warning that names unknown fields."""
    names = [
        format_path((*place, name))
        for place, part in _bodies(model)
        for name in part.model_extra or ()
    ]
    return _warning("unknown fields ignored", names)


def _bodies(model: TaskBody) -> Iterator[tuple[tuple[str | int, ...], Body]]:
    for name in _OBJECTS:
        value = getattr(model, name)
        if isinstance(value, Body):
            yield (name,), value
        for index, entry in enumerate(value if isinstance(value, list) else ()):
            yield (name, index), entry
    yield (), model


def _dropped_parameters(found: ClassifiedParameters) -> tuple[str, ...]:
    unsupported = [format_name(key) for key in found.unsupported]
    invalid = [
        f"{format_name(key)} (allowed: {values})"
        for key, values in found.invalid.items()
    ]
    return (
        *_warning("unsupported backend_parameters ignored", unsupported),
        *_warning("backend_parameters with unsupported values ignored", invalid),
    )


def _warning(event: str, names: Sequence[str]) -> tuple[str, ...]:
    if not names:
        return ()
    more = len(names) - _MAX_NAMED
    named = ", ".join(names[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
    return (f"{event}: {named}",)
