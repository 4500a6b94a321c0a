"""The page for users about waiting has every code that a task can wait with."""

import re
from pathlib import Path

import pytest

from tesk_model.reasons import ReasonCode
from tesk_model.remedies import REMEDIES
from tesk_model.task import Wait
from tesk_model.waits import WaitScope

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "waiting.md").read_text("utf-8")
ROWS = {
    match[1]: [cell.strip() for cell in match[2].split(" | ")]
    for match in re.finditer(r"^\| `([A-Z_]+)` \| (.*) \|$", PAGE, re.MULTILINE)
}


def codes_that_wait() -> set[str]:
    """Return the codes of which the administrators' page says what a task waits for."""
    page = (DOCS / "troubleshooting.md").read_text("utf-8")
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([^|]*)\|", page, re.MULTILINE)
    return {code for code, waits in rows if waits.strip()}


def test_the_page_has_every_code_that_a_task_can_wait_with() -> None:
    assert set(ROWS) == codes_that_wait()


def test_every_code_that_a_task_can_wait_with_says_what_must_happen() -> None:
    assert {code.value for code in REMEDIES} == codes_that_wait()


@pytest.mark.parametrize("code", ROWS)
def test_a_row_has_an_example_what_must_happen_and_what_to_do(code: str) -> None:
    example, remedy, cure = ROWS[code]

    assert all((example, remedy, cure))
    assert "starts" in remedy or "goes on" in remedy or "ends" in remedy


# Those whose details say it with numbers.
_WITH_NUMBERS = {
    ReasonCode.QUOTA_FULL,
    ReasonCode.CAPACITY_FULL,
    ReasonCode.CAPACITY_RESERVED,
    ReasonCode.NODES_NOT_READY,
    ReasonCode.NODES_TOO_SMALL,
}


@pytest.mark.parametrize(
    "code", [each for each in REMEDIES if each not in _WITH_NUMBERS]
)
def test_what_must_happen_is_said_as_on_the_page(code: ReasonCode) -> None:
    assert f"`{REMEDIES[code]}`" in ROWS[code.value][1]


def test_the_page_has_every_field_and_scope() -> None:
    fields = set(re.findall(r"`([a-z_-]+)`", PAGE))

    assert fields >= {name for name in Wait.__dataclass_fields__}  # noqa: C416 - a view
    assert fields >= {scope.value for scope in WaitScope if scope}
