"""Checks the backend parameters of a task.

An installation offers a mapping from keys, in any case, to allowed values: a value
as it is, or ``1..8`` for the whole numbers from 1 to 8; an empty list allows any
value. Source: GA4GH TES 1.1 ``tesResources.backend_parameters``: keys are
case-insensitive; an unsupported one is an error only if the client asked for
strictness, and is otherwise dropped with a warning.

Those of ``tesk_model.attempt_parameters`` are offered everywhere. A value of them that
cannot be read is an error in any case: a limit that was dropped would not be missed.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tesk_model.attempt_parameters import ATTEMPT_PARAMETERS, parameter_violations
from tesk_model.errors import Violation
from tesk_model.task import Resources

Offered = Mapping[str, Sequence[str]]

_RANGE = re.compile(r"([0-9]{1,9})\.\.([0-9]{1,9})")
_WHOLE_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")


def with_attempt_parameters(offered: Offered) -> Offered:
    """Add the parameters that every installation has; it may limit their values."""
    given = {key.lower() for key in offered}
    return {
        **{key: () for key in ATTEMPT_PARAMETERS if key not in given},
        **offered,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifiedParameters:
    """The backend parameters of a task, by whether they are supported.

    Attributes:
        supported: Keys in lower case.
        unsupported: Keys, as sent, that are not supported.
        invalid: Keys, as sent, whose value is not allowed, each with the
            values that are.
    """

    supported: Mapping[str, str]
    unsupported: tuple[str, ...]
    invalid: Mapping[str, str]


def classify_parameters(
    parameters: Mapping[str, str], offered: Offered
) -> ClassifiedParameters:
    """Sort ``parameters`` by whether this installation supports them."""
    allowed = {key.lower(): values for key, values in offered.items()}
    supported: dict[str, str] = {}
    unsupported: list[str] = []
    invalid: dict[str, str] = {}
    for key, value in parameters.items():
        values = allowed.get(key.lower())
        if values is None:
            unsupported.append(key)
        elif values and not any(_allows(each, value) for each in values):
            invalid[key] = ", ".join(values)
        else:
            supported[key.lower()] = value
    return ClassifiedParameters(
        supported=supported, unsupported=tuple(unsupported), invalid=invalid
    )


def parameter_problems(resources: Resources, offered: Offered) -> Iterator[Violation]:
    """Yield the problems of the backend parameters of a task."""
    parameters = resources.backend_parameters
    seen: set[str] = set()
    for key in parameters:
        if key.lower() in seen:
            yield Violation(_path(key), "is given twice; case does not matter")
        seen.add(key.lower())
    yield from parameter_violations(parameters)
    if not resources.backend_parameters_strict:
        return
    found = classify_parameters(parameters, offered)
    listed = ", ".join(offered) or "none"
    for key in found.unsupported:
        yield Violation(_path(key), f"is not supported here (supported: {listed})")
    for key, values in found.invalid.items():
        yield Violation(_path(key), f"has a value that is not allowed ({values})")


def _path(key: str) -> str:
    return f"resources.backend_parameters.{key[:64]}"


def _allows(allowed: str, value: str) -> bool:
    limits = _RANGE.fullmatch(allowed)
    if limits is None:
        return value == allowed
    return _WHOLE_NUMBER.fullmatch(value) is not None and (
        int(limits[1]) <= int(value) <= int(limits[2])
    )
