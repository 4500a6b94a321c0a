"""Finds all that is wrong with a document, where msgspec stops at the first.

Each part is checked by msgspec by itself, so that there is one rule; a part whose own
parts are wrong is not checked as a whole.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import inspect

from tesk_runtime.document_problems import DocumentProblem, explain_problem

MAX_PROBLEMS = 100


def document_problems(document: Any, kind: Any) -> list[DocumentProblem]:
    """Return what is wrong with a document, with the place of each; at most 100.

    Args:
        document: Of plain values, as a decoder returns them.
        kind: What it must be, as ``msgspec.convert`` takes it.
    """
    return list(islice(_problems(document, kind, ""), MAX_PROBLEMS))


def _problems(value: Any, kind: Any, path: str) -> Iterator[DocumentProblem]:
    found = False
    for problem in _of_parts(value, kind, path):
        found = True
        yield problem
    if not found:
        yield from _own(value, kind, path)


def _of_parts(value: Any, kind: Any, path: str) -> Iterator[DocumentProblem]:
    for each in _alternatives(kind):
        if isinstance(value, Mapping) and _is_struct(each):
            types = {
                field.encode_name: field.type for field in msgspec.structs.fields(each)
            }
            for name, item in value.items():
                if name in types:
                    yield from _problems(item, types[name], _join(path, name))
                else:
                    yield from _own({name: item}, each, path, only_names=True)
        elif isinstance(value, Mapping) and get_origin(each) is dict:
            for name, item in value.items():
                yield from _problems(item, get_args(each)[1], _join(path, name))
        elif isinstance(value, list) and get_origin(each) in (tuple, list):
            for index, item in enumerate(value):
                yield from _problems(item, get_args(each)[0], f"{path}[{index}]")


def _own(
    value: Any, kind: Any, path: str, *, only_names: bool = False
) -> Iterator[DocumentProblem]:
    """Yield what msgspec says of a value.

    Args:
        value: The value.
        kind: What it must be.
        path: Where it is.
        only_names: What it lacks, or what does not go together, is no problem yet.
    """
    try:
        msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        causes = getattr(error.__cause__, "problems", None)
        if causes is not None:
            for each in () if only_names else causes:
                yield DocumentProblem(path, each)
            return
        problem = explain_problem(error, inspect.type_info(kind))
        if not (only_names and problem.text.startswith("needs ")):
            yield DocumentProblem(_join(path, problem.path), problem.text)


def _alternatives(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) is Annotated:
        return _alternatives(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return tuple(each for part in get_args(kind) for each in _alternatives(part))
    return (kind,)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _join(path: str, name: Any) -> str:
    if not path or not name:
        return path or str(name)
    return f"{path}{name}" if str(name).startswith("[") else f"{path}.{name}"
