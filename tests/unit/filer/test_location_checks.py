"""The bounds within which places are looked at before a task runs."""

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest

from tesk_filer.domain.checks import Check, LocationsToCheck, Verdict
from tesk_filer.domain.credential_table import TaskOwner
from tesk_filer.usecases.location_checks import (
    CALL_COST,
    CheckLimits,
    LocationChecks,
)
from tesk_model.errors import ResourceExhaustedError
from tesk_model.task import Input, Output

LIMITS = CheckLimits(timeout=timedelta(seconds=3), at_once=1, urls_per_minute=20)


class Frozen:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Checker:
    """Finds every place to be there, or what ``finds`` says."""

    def __init__(self, finds: Callable[[str], bool] = lambda _field: True) -> None:
        self.finds = finds
        self.asked: list[LocationsToCheck] = []
        self.enter = threading.Event()
        self.enter.set()
        self.entered = threading.Event()

    def check(
        self, wanted: LocationsToCheck, _timeout: timedelta
    ) -> Mapping[str, Check]:
        self.asked.append(wanted)
        self.entered.set()
        self.enter.wait()
        fields = [
            *(f"inputs[{index}]" for index in range(len(wanted.inputs))),
            *(f"outputs[{index}]" for index in range(len(wanted.outputs))),
        ]
        return {
            field: Check(
                field=field, path="/p", url="u", verdict=Verdict.OK, message="there"
            )
            for field in fields
            if self.finds(field)
        }


def wanted(inputs: int = 1, outputs: int = 0, owner: str = "alice") -> LocationsToCheck:
    return LocationsToCheck(
        owner=TaskOwner(name=owner),
        inputs=tuple(Input(path="/i", url=f"s3://b/{n}") for n in range(inputs)),
        outputs=tuple(Output(path="/o", url=f"s3://b/{n}") for n in range(outputs)),
    )


def make(checker: Checker, clock: Frozen | None = None) -> LocationChecks:
    return LocationChecks(checker=checker, clock=clock or Frozen(), limits=LIMITS)


def test_results_are_in_the_order_of_the_task() -> None:
    found = make(Checker()).check(wanted(2, 2))

    fields = [each.field for each in found]
    assert fields == ["inputs[0]", "inputs[1]", "outputs[0]", "outputs[1]"]
    assert {each.verdict for each in found} == {Verdict.OK}


def test_what_has_not_answered_is_unknown_and_keeps_nothing_back() -> None:
    found = make(Checker(lambda field: field != "inputs[0]")).check(wanted(2))

    assert [each.verdict for each in found] == [Verdict.UNKNOWN, Verdict.OK]
    assert found[0].message == "no answer within 3 s"
    assert found[0].url == "s3://b/0"


def test_only_so_many_urls_are_looked_at() -> None:
    checker = Checker()

    found = make(checker).check(wanted(9, 3))

    most = LIMITS.urls_per_minute - CALL_COST
    [asked] = checker.asked
    assert len(asked.inputs) + len(asked.outputs) == most
    assert [each.field for each in found] == [
        *(f"inputs[{index}]" for index in range(9)),
        "outputs[0]",
    ]


def test_an_owner_who_asks_too_often_is_told_when_to_come_back() -> None:
    clock = Frozen()
    checks = make(Checker(), clock)
    checks.check(wanted(1))

    with pytest.raises(
        ResourceExhaustedError, match="too many urls of alice"
    ) as caught:
        checks.check(wanted(9))

    assert checks.check(wanted(9, owner="bob"))
    assert caught.value.retry_after is not None
    clock.now += caught.value.retry_after.total_seconds()
    assert checks.check(wanted(9))


def test_more_checks_than_may_run_at_once_are_refused() -> None:
    checker = Checker()
    checker.enter.clear()
    checks = make(checker)
    first = threading.Thread(target=checks.check, args=(wanted(),))
    first.start()
    checker.entered.wait()

    with pytest.raises(ResourceExhaustedError, match="too many storage checks run"):
        checks.check(wanted(owner="bob"))

    checker.enter.set()
    first.join()
    assert checks.check(wanted(owner="carol"))
