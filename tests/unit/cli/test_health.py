from datetime import timedelta

import pytest

from tesk_cli.domain.health import Health, HealthPolicy

POLICY = HealthPolicy(
    interval=timedelta(seconds=10), failures=3, gap=timedelta(seconds=60)
)

# Each check: seconds since the one before, and whether there was an answer.
CHECKS: dict[str, tuple[list[tuple[int, bool]], bool]] = {
    "answers": ([(10, True)] * 5, False),
    "is busy for a while": ([(10, True), (10, False), (10, False)], False),
    "is busy now and then": (
        [(10, True), (10, False), (10, False), (10, True), (10, False), (10, False)],
        False,
    ),
    "does not answer any more": ([(10, True)] + [(20, False)] * 3, True),
    "is starting, or migrates": ([(10, False)] * 100, False),
    "has started slowly": ([(10, False)] * 100 + [(10, True), (10, False)], False),
    "the machine slept": (
        [(10, True), (10, False), (10, False), (5000, False), (10, False)],
        False,
    ),
    "does not wake up with it": (
        [(10, True), (5000, False), (10, False), (10, False)],
        True,
    ),
}


@pytest.mark.parametrize(("checks", "want"), CHECKS.values(), ids=CHECKS)
def test_a_service_is_unresponsive_after_many_failures_in_a_row(
    checks: list[tuple[int, bool]], want: bool
) -> None:
    health, now = Health(), timedelta()
    for seconds, answer in checks:
        now += timedelta(seconds=seconds)
        health = health.after(POLICY, answer=answer, now=now)

    assert health.is_unresponsive(POLICY) is want
