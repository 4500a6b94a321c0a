"""Which backend parameters a task may give, and with which values.

What is offered is a mapping from keys, in any case, to allowed values: a value
as it is, or ``1..8`` for the whole numbers from 1 to 8; none at all for any
value. Source: GA4GH TES 1.1 ``tesResources.backend_parameters``: keys are
case-insensitive; what is not supported is an error only if the client asked for
strictness, and is otherwise dropped with a warning.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tesk_model.errors import Violation
from tesk_model.task import Resources

Offered = Mapping[str, Sequence[str]]

_RANGE = re.compile(r"([0-9]{1,9})\.\.([0-9]{1,9})")
_WHOLE_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SortedParameters:
    """The backend parameters of a task, sorted by what becomes of them.

    Attributes:
        kept: Keys in lower case.
        unknown: Keys, as sent, that are not supported.
        misvalued: Keys, as sent, whose value is not allowed, each with the
            words for what is.
    """

    kept: Mapping[str, str]
    unknown: tuple[str, ...]
    misvalued: Mapping[str, str]


def sort_parameters(
    parameters: Mapping[str, str], offered: Offered
) -> SortedParameters:
    """Tell what of ``parameters`` is supported here."""
    allowed = {key.lower(): values for key, values in offered.items()}
    kept: dict[str, str] = {}
    unknown: list[str] = []
    misvalued: dict[str, str] = {}
    for key, value in parameters.items():
        values = allowed.get(key.lower())
        if values is None:
            unknown.append(key)
        elif values and not any(_allows(each, value) for each in values):
            misvalued[key] = ", ".join(values)
        else:
            kept[key.lower()] = value
    return SortedParameters(kept=kept, unknown=tuple(unknown), misvalued=misvalued)


def parameter_problems(resources: Resources, offered: Offered) -> Iterator[Violation]:
    """Yield what is wrong with the backend parameters of a task."""
    parameters = resources.backend_parameters
    seen: set[str] = set()
    for key in parameters:
        if key.lower() in seen:
            yield Violation(_path(key), "is given twice; case does not matter")
        seen.add(key.lower())
    if not resources.backend_parameters_strict:
        return
    found = sort_parameters(parameters, offered)
    words = ", ".join(offered) or "none"
    for key in found.unknown:
        yield Violation(_path(key), f"is not supported here (supported: {words})")
    for key, values in found.misvalued.items():
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
