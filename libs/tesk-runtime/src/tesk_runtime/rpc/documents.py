"""Compiles converters between ``tesk_model.task`` and the messages of ``tesk.v1``.

Once for each class, from its fields, which have the same names on both sides.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from tesk_model.errors import InvalidRequestError, Violation
from tesk_model.fields import DocumentField, Shape, document_fields

DocumentT = TypeVar("DocumentT")
MessageT = TypeVar("MessageT", bound=Message)
EnumT = TypeVar("EnumT", bound=Enum)
ResultT = TypeVar("ResultT")

Convert = Callable[[Any], Any]
# A descriptor of protobuf, which has one class for each implementation.
Wire = Any


def timestamp_to_wire(time: datetime) -> Timestamp:
    """Convert an aware time."""
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp


def timestamp_from_wire(stamp: Timestamp) -> datetime:
    """Convert to an aware time in UTC.

    Raises:
        InvalidRequestError: It is out of range.
    """
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise field_error("time", "is beyond the years 1 to 9999") from error


def enum_to_wire(kind: type[EnumT], wire: Wire) -> dict[EnumT, Any]:
    """Return the number of each member on the wire.

    There its name has the prefix of the enum, as protobuf asks for.
    """
    prefix = wire.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {
        member: wire.values_by_name[prefix + member.value].number for member in kind
    }


class EnumMembers(dict[int, EnumT]):
    """The members of an enum by their numbers on the wire."""

    def __init__(self, name: str, kind: type[EnumT], wire: Wire) -> None:
        """Find them for the field ``name``."""
        numbers = enum_to_wire(kind, wire)
        super().__init__({number: member for member, number in numbers.items()})
        self._name = name
        self._kind = kind

    def __missing__(self, number: int) -> EnumT:
        """Raise InvalidRequestError: it is not specified, or unknown here."""
        raise field_error(self._name, f"{number} is not a {self._kind.__name__}")


def field_error(path: str, message: str) -> InvalidRequestError:
    """Return the error for one field of a message."""
    return InvalidRequestError([Violation(path, message)])


def writer(
    document: type[DocumentT], message: type[MessageT]
) -> Callable[[DocumentT], MessageT]:
    """Return the function that makes a message of a document."""
    scope: dict[str, Any] = {}
    arguments = {}
    for field in document_fields(document):
        value = f"source.{field.name}"
        if convert := _to_wire(field, message.DESCRIPTOR.fields_by_name[field.name]):
            scope[f"convert_{field.name}"] = convert
            value = f"{value} and convert_{field.name}({value})"
        elif field.shape is not Shape.SINGLE:
            value = f"{value} or None"
        arguments[field.name] = value
    return _compile(message, arguments, scope)


def _to_wire(field: DocumentField, wire: Wire) -> Convert | None:
    if wire.enum_type:
        return enum_to_wire(field.type, wire.enum_type).__getitem__
    if field.type is datetime:
        return timestamp_to_wire
    if not is_dataclass(field.type):
        return None
    document: Any = field.type
    write = writer(document, GetMessageClass(wire.message_type))
    if field.shape is Shape.SINGLE:
        return write
    return lambda entries: list(map(write, entries))


def reader(
    document: type[DocumentT], message: type[MessageT]
) -> Callable[[MessageT], DocumentT]:
    """Return the function that makes a document of a message.

    It raises InvalidRequestError if an enum is not specified, or unknown here.
    """
    wire: Wire = message.DESCRIPTOR
    return message_reader(
        document,
        wire,
        [
            MessagePart(
                field.name,
                _from_wire(field, wire.fields_by_name[field.name]),
                (None,) if field.optional else (),
            )
            for field in document_fields(document)
        ],
    )


def _from_wire(field: DocumentField, wire: Wire) -> Convert | None:
    if wire.enum_type:
        return EnumMembers(field.name, field.type, wire.enum_type).__getitem__
    if field.type is datetime:
        return timestamp_from_wire
    if field.shape is Shape.MAP:
        return dict
    if not is_dataclass(field.type):
        return tuple if field.shape is Shape.REPEATED else None
    document: Any = field.type
    read = reader(document, GetMessageClass(wire.message_type))
    if field.shape is Shape.SINGLE:
        return read
    return lambda entries: tuple(map(read, entries))


class MessagePart(NamedTuple):
    """How one field of a message is read.

    Attributes:
        convert: What is made of its value, if anything.
        absent: The value of an absent or empty field, if that is a special one.
    """

    name: str
    convert: Convert | None
    absent: tuple[Any, ...]


def message_reader(
    make: Callable[..., ResultT], wire: Wire, parts: Iterable[MessagePart]
) -> Callable[[Any], ResultT]:
    """Return the function that calls ``make`` with the fields of a message."""
    scope: dict[str, Any] = {}
    arguments = {}
    for name, convert, absent in parts:
        value = f"source.{name}"
        test = f'source.HasField("{name}")'
        if absent and not wire.fields_by_name[name].has_presence:
            test = f"(found := {value})"
            value = "found"
        if convert:
            scope[f"convert_{name}"] = convert
            value = f"convert_{name}({value})"
        if absent:
            scope[f"absent_{name}"] = absent[0]
            value = f"{value} if {test} else absent_{name}"
        arguments[name] = value
    return _compile(make, arguments, scope)


def _compile(
    make: Callable[..., ResultT], arguments: Mapping[str, str], scope: dict[str, Any]
) -> Callable[[Any], ResultT]:
    """Return a function of ``source`` that calls ``make``.

    The call is written out because each request needs it: a loop over names and values
    takes up to twice as long.
    """
    call = ", ".join(f"{name}={value}" for name, value in arguments.items())
    function: Callable[[Any], ResultT] = eval(  # noqa: S307 - names of our own fields
        f"lambda source: make({call})", {"make": make, **scope}
    )
    return function
