"""From the bytes of a request to a valid task, or to all that is wrong with it."""

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
from tesk_api.domain.path_conflicts import Parts, file_conflicts, input_conflicts
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
from tesk_model.schemes import OfferedSchemes
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
    """Reads the body of CreateTask.

    Attributes:
        backend_parameters: Supported keys, in any case, with allowed values.
        refuse_unknown_fields: Whether a field that TES does not know is an
            error; otherwise it is dropped, with a warning.
        offer: Which urls tasks may name.
    """

    backend_parameters: Offered = field(default_factory=dict)
    refuse_unknown_fields: bool = False
    offer: OfferedSchemes = field(default_factory=OfferedSchemes)

    def parse(self, body: bytes) -> NewTask:
        """Return the task that ``body`` describes.

        Raises:
            InvalidRequestError: Lists the problems, each by its path.
        """
        document = parse_json(body)
        if may_have_values(body, MAX_FIELDS):
            raise_if_any(size_problems(document))
        extra = self._extra
        try:
            model = TaskBody.model_validate(document, extra=extra)
        except ValidationError:
            # All that it found may be a lot: it is found again, bit by bit.
            raise_if_any(self._wrong(document))
            raise  # never: what pydantic refuses has a problem
        task, shortened = without_final_slashes(to_task(model))
        raise_if_any(self._problems(_parts(task), task.resources))
        kept, warnings = self._supported(task)
        return NewTask(
            task=kept,
            warnings=(
                *_unknown_fields(model),
                *_line("ignored the slash at the end of", shortened),
                *warnings,
            ),
        )

    @property
    def _extra(self) -> ExtraValues:
        return "forbid" if self.refuse_unknown_fields else "allow"

    def _wrong(self, document: Any) -> Iterator[Violation]:
        """Yield what is wrong with a body that is no task.

        Rules between the parts that are valid by themselves still speak.
        """
        yield from body_problems(document, extra=self._extra)
        yield from _beside_wrong_paths(document, self.offer)
        yield from self._problems(*_valid_parts(document))

    def _problems(
        self, parts: Parts, resources: Resources | None
    ) -> Iterator[Violation]:
        for index, entry in parts.inputs:
            yield from _below(f"inputs[{index}]", input_problems(entry, self.offer))
        for index, output in parts.outputs:
            yield from _below(f"outputs[{index}]", output_problems(output, self.offer))
        yield from input_conflicts(parts.inputs)
        yield from file_conflicts(parts)
        yield from target_conflicts(parts.outputs)
        if resources is not None:
            yield from parameter_problems(resources, self.backend_parameters)

    def _supported(self, task: Task) -> tuple[Task, tuple[str, ...]]:
        if task.resources is None or not task.resources.backend_parameters:
            return task, ()
        found = classify_parameters(
            task.resources.backend_parameters, self.backend_parameters
        )
        resources = replace(task.resources, backend_parameters=found.supported)
        return replace(task, resources=resources), _dropped(found)


def _below(path: str, problems: Iterator[Violation]) -> Iterator[Violation]:
    for problem in problems:
        yield Violation(f"{path}.{problem.path}", problem.message)


def _parts(task: Task) -> Parts:
    return Parts(
        inputs=tuple(enumerate(task.inputs)),
        outputs=tuple(enumerate(task.outputs)),
        executors=tuple(enumerate(task.executors)),
        volumes=tuple(enumerate(task.volumes)),
    )


def _valid_parts(document: Any) -> tuple[Parts, Resources | None]:
    """Return what of a wrong body is right by itself."""
    if not isinstance(document, dict):
        return Parts((), (), (), ()), None
    inputs = _valid_items(InputBody, document.get("inputs"))
    outputs = _valid_items(OutputBody, document.get("outputs"))
    executors = _valid_items(ExecutorBody, document.get("executors"))
    resources = _valid(ResourcesBody, document.get("resources"))
    parts = Parts(
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


def _beside_wrong_paths(document: Any, offer: OfferedSchemes) -> Iterator[Violation]:
    """Yield what else is wrong with inputs and outputs whose path is wrong."""
    if not isinstance(document, dict):
        return
    for index, entry in _with_a_path(InputBody, document.get("inputs")):
        yield from _below(f"inputs[{index}]", input_problems(to_input(entry), offer))
    for index, output in _with_a_path(OutputBody, document.get("outputs")):
        yield from _below(
            f"outputs[{index}]", output_problems(to_output(output), offer)
        )


def _with_a_path(model: type[BodyT], documents: Any) -> Iterator[tuple[int, BodyT]]:
    """Yield the items of which the path alone is wrong, with one that is right."""
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
    """Return the one warning line that names fields which TES does not know."""
    names = [
        format_path((*place, name))
        for place, part in _bodies(model)
        for name in part.model_extra or ()
    ]
    return _line("unknown fields ignored", names)


def _bodies(model: TaskBody) -> Iterator[tuple[tuple[str | int, ...], Body]]:
    for name in _OBJECTS:
        value = getattr(model, name)
        if isinstance(value, Body):
            yield (name,), value
        for index, entry in enumerate(value if isinstance(value, list) else ()):
            yield (name, index), entry
    yield (), model


def _dropped(found: ClassifiedParameters) -> tuple[str, ...]:
    unsupported = [format_name(key) for key in found.unsupported]
    invalid = [
        f"{format_name(key)} (allowed: {values})"
        for key, values in found.invalid.items()
    ]
    return (
        *_line("unsupported backend_parameters ignored", unsupported),
        *_line("backend_parameters with unsupported values ignored", invalid),
    )


def _line(event: str, names: Sequence[str]) -> tuple[str, ...]:
    if not names:
        return ()
    more = len(names) - _MAX_NAMED
    named = ", ".join(names[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
    return (f"{event}: {named}",)
