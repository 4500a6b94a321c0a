"""Converts valid bodies to the classes of ``tesk_model.task``, by their fields."""

from collections.abc import Callable
from dataclasses import is_dataclass
from enum import Enum
from typing import Any, TypeVar

from tesk_api.http.bodies import Body
from tesk_model.fields import DocumentField, Shape, document_fields
from tesk_model.task import Executor, Input, Output, Resources, Task

DocumentT = TypeVar("DocumentT")


def _converter(document: type[DocumentT]) -> Callable[[Body], DocumentT]:
    """Return the function that converts a valid body to a document.

    A field that is ``null`` gets the default of the document, like an absent one.
    """
    fields = document_fields(document)
    read_only = [field.name for field in fields if field.read_only and field.view]
    converters = [
        (field.name, convert)
        for field in fields
        if not field.read_only and (convert := _field_converter(field))
    ]

    def convert_body(body: Body) -> DocumentT:
        values = body.__dict__.copy()
        for name in read_only:
            del values[name]
        for name, convert in converters:
            value = values[name]
            if value is None:
                del values[name]
            else:
                values[name] = convert(value)
        return document(**values)

    return convert_body


def _field_converter(field: DocumentField) -> Callable[[Any], Any] | None:
    if field.shape is Shape.MAP:
        return _without_nulls
    if is_dataclass(field.type):
        inner: Any = field.type
        convert = _converter(inner)
        if field.shape is Shape.SINGLE:
            return convert
        return lambda bodies: tuple(map(convert, bodies))
    if field.shape is Shape.REPEATED:
        return tuple
    if issubclass(field.type, Enum):
        return {member.value: member for member in field.type}.__getitem__
    return None


def _without_nulls(entries: dict[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in entries.items() if value is not None}


to_task = _converter(Task)
to_input = _converter(Input)
to_output = _converter(Output)
to_executor = _converter(Executor)
to_resources = _converter(Resources)
