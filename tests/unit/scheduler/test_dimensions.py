"""The table of dimensions, and what is made of it."""

from pathlib import Path

import pytest
import yaml

from tesk_scheduler.adapters.store.schema import TASK, USAGE
from tesk_scheduler.domain.dimensions import (
    ASKED,
    CHARGED,
    CPU,
    DIMENSIONS,
    QUEUED,
    Dimension,
)
from tesk_scheduler.domain.quota import Amounts, Demand, Limit
from tesk_scheduler.quota_config.amounts import DefaultSettings, LimitSettings

CHART_SCHEMA = Path(__file__).parents[3] / "helm" / "tesk" / "values.schema.yaml"


def test_each_dimension_has_its_place() -> None:
    assert [each.index for each in DIMENSIONS] == list(range(len(DIMENSIONS)))


@pytest.mark.parametrize("dimension", DIMENSIONS, ids=lambda each: each.column)
def test_each_dimension_has_a_column_and_a_setting(dimension: Dimension) -> None:
    assert dimension.column in USAGE.c
    assert dimension.setting in LimitSettings.__struct_fields__


@pytest.mark.parametrize("dimension", ASKED, ids=lambda each: each.column)
def test_an_asked_dimension_has_a_column_of_the_task(dimension: Dimension) -> None:
    assert dimension.column in TASK.c


@pytest.mark.parametrize("dimension", CHARGED, ids=lambda each: each.column)
def test_a_charged_dimension_has_a_default(dimension: Dimension) -> None:
    assert dimension.setting in DefaultSettings.__struct_fields__


@pytest.mark.parametrize("dimension", DIMENSIONS, ids=lambda each: each.column)
def test_the_chart_has_a_value_for_each_dimension(dimension: Dimension) -> None:
    schema = yaml.safe_load(CHART_SCHEMA.read_text("utf-8"))
    quota = schema["properties"]["quota"]["properties"]
    head, *rest = dimension.setting.split("_")
    name = head + "".join(each.capitalize() for each in rest)

    assert name in schema["x-limits"]["properties"]
    assert dimension not in CHARGED or name in quota["defaults"]["properties"]


def test_amounts_are_read_by_dimension() -> None:
    amounts = Amounts(cpu_millis=500)

    assert amounts[CPU] == 500
    assert amounts[QUEUED] == 0
    assert amounts.named()["cpu_millis"] == 500


def test_a_demand_counts_its_task() -> None:
    twice = Amounts().plus(Demand(cpu_millis=500), times=2)

    assert twice == Amounts(running=2, cpu_millis=1000)


def test_a_limit_bounds_what_it_names() -> None:
    limit = Limit(cpu_millis=500, ram=None)

    assert Demand(cpu_millis=500, ram=2**60).fits(limit)
    assert not Demand(cpu_millis=501).fits(limit)
    assert limit.replaced_by(Limit(ram=7)) == Limit(cpu_millis=500, ram=7)


def test_an_unknown_dimension_is_an_error() -> None:
    with pytest.raises(KeyError):
        Amounts(unicorns=1)
