"""Amounts are converted and formatted."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_model.names import Attempt, is_task_id
from tesk_model.quantities import GIB, bytes_from_gib, format_bytes, format_number
from tesk_model.task import TaskId


@given(st.floats(min_value=0, max_value=1e6))
def test_a_task_never_gets_less_than_it_asked_for(gib: float) -> None:
    count = bytes_from_gib(gib)

    exact = Fraction(gib) * GIB
    assert exact <= count < exact + 1


@pytest.mark.parametrize("gib", [-0.1, math.nan, math.inf])
def test_an_invalid_amount_is_refused(gib: float) -> None:
    with pytest.raises(ValueError, match="amount"):
        bytes_from_gib(gib)


WORDS = {
    0: "0 B",
    512: "512 B",
    1536: "1.5 KiB",
    2 * GIB: "2 GiB",
    3 * 1024**4: "3 TiB",
}


@pytest.mark.parametrize(("count", "want"), WORDS.items())
def test_byte_counts_are_formatted_for_people(count: int, want: str) -> None:
    assert format_bytes(count) == want


@pytest.mark.parametrize(("value", "want"), [(4.0, "4"), (0.5, "0.5"), (1.25, "1.25")])
def test_numbers_read_like_words(value: float, want: str) -> None:
    assert format_number(value) == want


IDS = {
    "01jd": True,
    "a-b": True,
    "service-info": False,
    "": False,
    "A": False,
    "-a": False,
    "a/b": False,
    "a:b": False,
    "a" * 41: False,
}


@pytest.mark.parametrize(("text", "want"), IDS.items(), ids=IDS)
def test_task_ids(text: str, *, want: bool) -> None:
    assert is_task_id(text) is want


@given(st.from_regex(r"[a-z0-9]{26}", fullmatch=True), st.integers(1, 999))
def test_an_attempt_has_a_name_that_fits_a_dns_label(task_id: str, number: int) -> None:
    name = Attempt(TaskId(task_id), number).name + "-out"

    assert len(name) <= 57
    assert name.isascii()
