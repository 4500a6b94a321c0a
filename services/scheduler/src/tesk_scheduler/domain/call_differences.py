"""Compares calls field by field, for people who ask why nothing was reused."""

from collections.abc import Mapping, Sequence

from tesk_model.call_cache import CallDifference
from tesk_model.text import elide
from tesk_scheduler.domain.dimensions import ASKED
from tesk_scheduler.domain.quota import Demand

MOST_DIFFERENCES = 20
_VALUE_LENGTH = 300


def with_demand(fields: Mapping[str, str], demand: Demand) -> Mapping[str, str]:
    """Return the fields of a call with the amounts that it is charged."""
    amounts = {
        each.field.path: each.unit.format(demand[each]) for each in ASKED if each.field
    }
    return {**fields, **amounts}


def differences(
    fields: Mapping[str, str], other: Mapping[str, str]
) -> Sequence[CallDifference]:
    """List the fields in which two calls differ, in the order of the first."""
    names = dict.fromkeys([*fields, *other])
    return [
        CallDifference(
            name,
            elide(fields.get(name, ""), _VALUE_LENGTH),
            elide(other.get(name, ""), _VALUE_LENGTH),
        )
        for name in names
        if fields.get(name) != other.get(name)
    ]
