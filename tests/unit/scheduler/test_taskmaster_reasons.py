"""Reasons that end with an assignment."""

from tesk_model.reasons import Reason, ReasonCode
from tesk_scheduler.domain.taskmaster_reasons import (
    full_reason,
    is_about_taskmasters,
    refusal_reason,
    starting_reason,
)


def test_reasons_that_end_with_an_assignment() -> None:
    assert is_about_taskmasters(starting_reason("no node"))
    assert is_about_taskmasters(full_reason(20))
    assert is_about_taskmasters(refusal_reason("quota"))
    assert not is_about_taskmasters(
        Reason(ReasonCode.IMAGE_PULLING, "waiting for a taskmaster")
    )
