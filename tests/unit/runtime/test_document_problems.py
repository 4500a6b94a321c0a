"""What people are told of a document that is wrong."""

from datetime import timedelta
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, inspect

from tesk_runtime.document_problems import DocumentProblem, explain_problem


class Inner(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    per_task: float = 1
    cpu: Annotated[float, Meta(gt=0)] = 1


class Document(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    count: Annotated[int, Meta(ge=0, le=5)] = 1
    size: Annotated[int, Meta(multiple_of=4)] = 4
    name: Annotated[str, Meta(min_length=2)] = "ab"
    form: Annotated[str, Meta(pattern="^a")] = "a"
    word: Annotated[str, Meta(min_length=1)] = "a"
    perhaps: int | None = None
    number: int | float = 1
    either: str | tuple[str, ...] = ""
    wait: timedelta = timedelta()
    names: tuple[str, ...] = ()
    kind: Literal["a", "b"] = "a"
    users: dict[Annotated[str, Meta(min_length=1)], Inner] = {}
    groups: tuple[Inner, ...] = ()
    inner: Inner | None = None
    yes: bool = True


class Needy(msgspec.Struct):
    name: str


KNOWN = ", ".join(msgspec.structs.fields(Document)[i].name for i in range(15))
SAID: dict[str, tuple[Any, str, str]] = {
    "text for a number": ({"count": "x"}, "count", "must be a whole number, not text"),
    "nothing": ({"count": None}, "count", "must be a whole number; it is empty"),
    "too little": ({"count": -1}, "count", "must be at least 0"),
    "too much": ({"count": 6}, "count", "must be at most 5"),
    "a factor": ({"size": 3}, "size", "must be a multiple of 4"),
    "short text": ({"name": "a"}, "name", "must have at least 2 characters"),
    "no text": ({"word": ""}, "word", "must not be empty"),
    "another form": ({"form": "b"}, "form", "must be text matching regex '^a'"),
    "a choice of types": (
        {"perhaps": "x"},
        "perhaps",
        "must be a whole number or nothing, not text",
    ),
    "two kinds of numbers": ({"number": "x"}, "number", "must be a number, not text"),
    "text or a list": (
        {"either": 3},
        "either",
        "must be text or a list, not a whole number",
    ),
    "a bad duration": (
        {"wait": "soon"},
        "wait",
        "must be a duration: seconds, 90s, 15m, 24h, 7d, or ISO 8601 such as PT1M30S",
    ),
    "an item": ({"names": [1]}, "names[0]", "must be text, not a whole number"),
    "an unknown choice": ({"kind": "z"}, "kind", "must be one of a, b"),
    "no mapping": ({"users": []}, "users", "must be a mapping, not a list"),
    "an empty key": ({"users": {"": {}}}, "users", "a name in it must not be empty"),
    "below a key": (
        {"users": {"ada": {"cpu": 0}}},
        "users[...].cpu",
        "must be more than 0",
    ),
    "no switch": ({"yes": "q"}, "yes", "must be true or false, not text"),
    "an unknown name": (
        {"zz": 1},
        "",
        f'has the unknown field "zz"; there are {KNOWN}',
    ),
    "a slip in a mapping": (
        {"users": {"ada": {"perTsk": 1}}},
        "users[...]",
        'has the unknown field "perTsk", perhaps for "per_task"; there are per_task, cpu',
    ),
    "a slip in a list": (
        {"groups": [{}, {"cpus": 1}]},
        "groups[1]",
        'has the unknown field "cpus", perhaps for "cpu"; there are per_task, cpu',
    ),
    "a slip where there may be nothing": (
        {"inner": {"CPU_": 1}},
        "inner",
        'has the unknown field "CPU_", perhaps for "cpu"; there are per_task, cpu',
    ),
}


def explained(document: Any, kind: Any = Document, **shown: bool) -> DocumentProblem:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(document, kind, strict=False)
    return explain_problem(caught.value, inspect.type_info(kind), **shown)


@pytest.mark.parametrize(("document", "path", "text"), SAID.values(), ids=SAID)
def test_a_problem_is_told_in_plain_words(document: Any, path: str, text: str) -> None:
    assert explained(document) == DocumentProblem(path, text)


def test_what_is_missing_is_named() -> None:
    assert explained({}, Needy) == DocumentProblem("", "needs name")


def test_a_name_that_may_be_a_secret_is_not_shown() -> None:
    secret = explained({"inner": {"hunter2": 1}}, shows_names=False)
    slip = explained({"inner": {"cpuu": 1}}, shows_names=False)

    assert secret.text == "has an unknown field; there are per_task, cpu"
    assert slip.text.startswith('has the unknown field "cpuu", perhaps for "cpu"')
