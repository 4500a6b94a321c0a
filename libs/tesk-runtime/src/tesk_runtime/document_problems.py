"""Says in plain words what msgspec finds wrong with a document.

msgspec names types as Python does, and no field that there is. People who write YAML
read "must be a whole number, not text", and which name they may have meant.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
from msgspec import inspect

from tesk_runtime.nearest_names import nearest_name
from tesk_runtime.setting_names import alternatives

_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping",
    "duration": "a duration",
    "null": "nothing",
}
_DURATION = (
    "must be a duration: seconds, 90s, 15m, 24h, 7d, or ISO 8601 such as PT1M30S"
)
_COMPARED = {">=": "at least", ">": "more than", "<=": "at most", "<": "less than"}
_COUNTED = {"str": "characters"}

_PLACE = re.compile(r" - at (?:`(key)` in )?`\$\.?(.*)`$")
_EXPECTED = re.compile(
    r"Expected `(?P<type>[^`]*)`(?:, got `(?P<got>[^`]*)`)?(?P<rest>.*)", re.DOTALL
)
_BOUND = re.compile(r" (of length )?(>=|>|<=|<) (\S+)$")
_FACTOR = re.compile(r" that's a multiple of (\S+)$")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")
_STEP = re.compile(r"\[[^\]]*\]|[^.\[]+")
_NAME = re.compile(r"[A-Za-z_]+")


@dataclass(frozen=True, slots=True)
class DocumentProblem:
    """What is wrong, and where.

    Attributes:
        path: ``quota.users[...].cpu``; "" for the document itself.
        text: For people.
    """

    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}" if self.path else self.text


def explain_problem(
    error: msgspec.ValidationError, kind: inspect.Type, *, shows_names: bool = True
) -> DocumentProblem:
    """Return what ``error`` says of a document of the type ``kind``.

    Args:
        error: Of msgspec.
        kind: What the document must be.
        shows_names: Whether unknown names may be shown. Where a slip in YAML could
            make a name of a secret, only those are that are like a known one.
    """
    problem, path, is_key = str(error), "", False
    if place := _PLACE.search(problem):
        problem, path = problem[: place.start()], place[2]
        is_key = place[1] is not None
    text = _in_words(problem, _kinds_at(kind, path), shows_names=shows_names)
    return DocumentProblem(path, f"a name in it {text}" if is_key else text)


def _in_words(problem: str, kinds: Sequence[inspect.Type], *, shows_names: bool) -> str:
    if unknown := _UNKNOWN.fullmatch(problem):
        return _unknown_name(unknown[1], kinds, shows_names=shows_names)
    if missing := _MISSING.fullmatch(problem):
        return f"needs {missing[1]}"
    if problem.startswith("Invalid ISO8601 duration"):
        return _DURATION
    if problem.startswith("Invalid enum value"):
        return f"must be one of {_choices(kinds)}"
    if expected := _EXPECTED.fullmatch(problem):
        return _expectation(expected["type"], expected["got"], expected["rest"])
    return problem[:1].lower() + problem[1:]


def _unknown_name(
    name: str, kinds: Iterable[inspect.Type], *, shows_names: bool
) -> str:
    known = [
        field.encode_name
        for kind in kinds
        if isinstance(kind, inspect.StructType)
        for field in kind.fields
    ]
    meant = nearest_name(name, known)
    shown = shows_names or (meant and _NAME.fullmatch(name))
    text = f'has the unknown field "{name}"' if shown else "has an unknown field"
    if meant:
        text += f', perhaps for "{meant}"'
    return f"{text}; there are {', '.join(known)}"


def _choices(kinds: Iterable[inspect.Type]) -> str:
    found: list[str] = []
    other = ""
    for kind in kinds:
        if isinstance(kind, inspect.LiteralType):
            found += map(str, kind.values)
        elif isinstance(kind, inspect.EnumType):
            found += [str(member.value) for member in kind.cls]
        elif isinstance(kind, inspect.StructType):
            other = f", or {_TYPES['object']}"
    return ", ".join(found) + other


def _expectation(types: str, got: str | None, rest: str) -> str:
    if bound := _BOUND.fullmatch(rest):
        return _bound(types, bound[1], bound[2], bound[3])
    if factor := _FACTOR.fullmatch(rest):
        return f"must be a multiple of {factor[1]}"
    names = types.split(" | ")
    if "float" in names:
        names = [name for name in names if name != "int"]
    words = " or ".join(_TYPES.get(name, name) for name in names)
    if got is None:
        return f"must be {words}{rest}"
    if got == "null":
        return f"must be {words}; it is empty"
    return f"must be {words}, not {_TYPES.get(got, got)}"


def _bound(types: str, of_length: str | None, sign: str, limit: str) -> str:
    if not of_length:
        return f"must be {_COMPARED[sign]} {limit.removesuffix('.0')}"
    if (sign, limit) == (">=", "1"):
        return "must not be empty"
    return f"must have {_COMPARED[sign]} {limit} {_COUNTED.get(types, 'entries')}"


def _kinds_at(kind: inspect.Type, path: str) -> list[inspect.Type]:
    """Return what may stand at ``path``, without metadata."""
    found = list(alternatives(kind))
    for step in _STEP.findall(path):
        found = [
            part
            for each in found
            for inner in _inner(each, step)
            for part in alternatives(inner)
        ]
    return found


def _inner(kind: inspect.Type, step: str) -> Iterable[inspect.Type]:
    if isinstance(kind, inspect.StructType):
        return [field.type for field in kind.fields if field.encode_name == step]
    if isinstance(kind, inspect.DictType):
        return [kind.value_type]
    if isinstance(kind, inspect.VarTupleType | inspect.ListType):
        return [kind.item_type]
    return []
