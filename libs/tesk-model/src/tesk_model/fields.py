"""The fields of the TES document, as the classes of ``tesk_model.task`` declare them.

Converters of whole tasks (the wire, request bodies, views, JSON Schemas) are compiled
from them, so that a field is declared in one place.
"""

import types
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum, auto
from typing import Annotated, Any, NewType, Union, get_args, get_origin, get_type_hints

from tesk_model.task import FieldRule, TaskView

_SIZES = {view: size for size, view in enumerate(TaskView)}


class Shape(Enum):
    """How many values a field holds."""

    SINGLE = auto()
    REPEATED = auto()
    MAP = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentField:
    """One field of a class of ``tesk_model.task``.

    Attributes:
        type: Of one value: ``str``, ``bool``, ``int``, ``float``, ``datetime``, an
            enum, or another class of the document.
        optional: Whether it may be absent (``None``).
        view: The smallest view that shows it; None if no TES view does.
        required: Whether TES requires it of what is returned.
        read_only: Whether the server alone sets it.
    """

    name: str
    type: Any
    shape: Shape
    optional: bool
    view: TaskView | None
    required: bool
    read_only: bool

    @property
    def always(self) -> bool:
        """Whether a view that shows it does so also when it is empty."""
        return self.required or (self.shape is Shape.SINGLE and not self.optional)

    def is_in(self, view: TaskView) -> bool:
        """Tell whether ``view`` shows it."""
        return self.view is not None and _SIZES[self.view] <= _SIZES[view]


def document_fields(document: type) -> tuple[DocumentField, ...]:
    """Return the fields of a class of ``tesk_model.task``, in its order."""
    hints = get_type_hints(document, include_extras=True)
    return tuple(_field(each.name, hints[each.name]) for each in fields(document))


def _field(name: str, hint: Any) -> DocumentField:
    marks: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *rest = get_args(hint)
        marks = tuple(rest)
    alternatives = (
        get_args(hint) if get_origin(hint) in {Union, types.UnionType} else (hint,)
    )
    (value,) = (each for each in alternatives if each is not type(None))
    shape, kind = _shape_and_type(value)
    views = [mark for mark in marks if isinstance(mark, TaskView)]
    return DocumentField(
        name=name,
        type=kind,
        shape=shape,
        optional=len(alternatives) > 1,
        view=None if FieldRule.EXTENSION in marks else (views or [TaskView.BASIC])[0],
        required=FieldRule.REQUIRED in marks,
        read_only=FieldRule.READ_ONLY in marks,
    )


def _shape_and_type(value: Any) -> tuple[Shape, Any]:
    arguments = get_args(value)
    if get_origin(value) is tuple:
        return Shape.REPEATED, arguments[0]
    if get_origin(value) is Mapping:
        return Shape.MAP, arguments[1]
    if isinstance(value, NewType):
        return Shape.SINGLE, value.__supertype__
    return Shape.SINGLE, value
