"""Amounts are read as Kubernetes means them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity

from tesk_kubernetes.quantities import parse_amount

CASES: dict[str, tuple[str | float, str]] = {
    "a number": (2, "2"),
    "a fraction": (0.5, "0.5"),
    "as text": ("1.5", "1.5"),
    "millis": ("250m", "0.25"),
    "micros and nanos": ("1500u", "0.0015"),
    "thousands": ("3k", "3000"),
    "binary": ("64Mi", str(64 * 2**20)),
    "the largest": ("1Ei", str(2**60)),
    "an exponent": ("1e3", "1000"),
    "exa, not an exponent": ("1E", str(10**18)),
    "signs": ("+5", "5"),
    "negative": ("-5Ki", "-5120"),
    "no number": ("much", "0"),
    "nothing": ("", "0"),
    "a suffix alone": ("Mi", "0"),
    "an unknown suffix": ("5X", "0"),
    "two points": ("1.2.3", "0"),
    "a point": (".", "0"),
    "not Kubernetes' suffix": ("1ki", "0"),
}


@pytest.mark.parametrize(("quantity", "want"), CASES.values(), ids=CASES)
def test_amounts(quantity: str | float, want: str) -> None:
    assert parse_amount(quantity) == Decimal(want)


SUFFIXES = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"]
BINARY = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]


@given(st.decimals(-(10**6), 10**6, places=3), st.sampled_from(SUFFIXES + BINARY))
def test_amounts_are_those_of_the_official_client(number: Decimal, suffix: str) -> None:
    text = f"{number}{suffix}"

    assert parse_amount(text) == parse_quantity(text)
