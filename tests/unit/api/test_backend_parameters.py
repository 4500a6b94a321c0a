"""Backend parameters are accepted or refused, strictly or not."""

import json

import pytest

from builders.tasks import make_task_json
from tesk_api.config import Settings
from tesk_api.domain.backend_parameters import (
    classify_parameters,
    with_attempt_parameters,
)
from tesk_api.domain.requests import NewTask
from tesk_api.http.task_parsing import TaskParser
from tesk_model.errors import InvalidRequestError
from tesk_runtime.settings import load

OFFERED = {
    "Pool": ("highmem", "fast"),
    "gpu": ("1..8",),
    "mixed": ("0..1", "all"),
    "anything": (),
    "layout": ("jobs", "auto"),
}


def parsed(parameters: dict[str, str], *, strict: bool) -> NewTask:
    resources = {
        "backend_parameters": parameters,
        "backend_parameters_strict": strict,
    }
    body = make_task_json(resources=resources)
    return TaskParser(backend_parameters=OFFERED).parse(json.dumps(body).encode())


TAKEN = {
    "a value of the list": ("pool", "fast"),
    "the first of a range": ("gpu", "1"),
    "the last of a range": ("gpu", "8"),
    "a range beside a word": ("mixed", "0"),
    "a word beside a range": ("mixed", "all"),
    "any value": ("anything", "x y"),
    "an empty value where any goes": ("anything", ""),
    "a key in another case": ("POOL", "highmem"),
    "a layout that the installation allows": ("layout", "auto"),
}


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(("key", "value"), TAKEN.values(), ids=TAKEN)
def test_an_offered_value_is_kept(key: str, value: str, *, strict: bool) -> None:
    new = parsed({key: value}, strict=strict)

    assert new.task.resources is not None
    assert new.task.resources.backend_parameters == {key.lower(): value}
    assert new.warnings == ()


NOT_TAKEN = {
    "a value of no list": ("Pool", "huge", "highmem, fast"),
    "a value in another case": ("Pool", "Fast", "highmem, fast"),
    "an empty value": ("Pool", "", "highmem, fast"),
    "below a range": ("gpu", "0", "1..8"),
    "above a range": ("gpu", "9", "1..8"),
    "a range as value": ("gpu", "1..8", "1..8"),
    "a fraction": ("gpu", "1.5", "1..8"),
    "a sign": ("gpu", "+1", "1..8"),
    "a leading zero": ("gpu", "01", "1..8"),
    "digits of another script": ("gpu", "٣", "1..8"),
    "a layout that it does not allow": ("layout", "pod", "jobs, auto"),
    "a very long number": ("gpu", "1" * 5000, "1..8"),
}


@pytest.mark.parametrize(("key", "value", "words"), NOT_TAKEN.values(), ids=NOT_TAKEN)
def test_an_invalid_value_is_refused_if_the_client_is_strict(
    key: str, value: str, words: str
) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        parsed({key: value}, strict=True)

    assert [str(found) for found in refusal.value.violations] == [
        f"resources.backend_parameters.{key}: has a value that is not allowed ({words})"
    ]


@pytest.mark.parametrize(("key", "value", "words"), NOT_TAKEN.values(), ids=NOT_TAKEN)
def test_an_invalid_value_is_dropped_with_a_warning_otherwise(
    key: str, value: str, words: str
) -> None:
    new = parsed({key: value, "anything": "kept"}, strict=False)

    assert new.task.resources is not None
    assert new.task.resources.backend_parameters == {"anything": "kept"}
    assert new.warnings == (
        f"backend_parameters with unsupported values ignored: {key} (allowed: {words})",
    )


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        parsed({"vmsize": "a", "pool": "b", "GPU": "1", "gpu": "c"}, strict=True)

    assert [found.path for found in refusal.value.violations] == [
        "resources.backend_parameters.gpu",
        "resources.backend_parameters.vmsize",
        "resources.backend_parameters.pool",
        "resources.backend_parameters.gpu",
    ]


def test_the_default_offers_no_backend_parameters() -> None:
    found = classify_parameters({"pool": "fast"}, Settings().api.backend_parameters)

    assert (found.supported, found.unsupported) == ({}, ("pool",))


def test_the_setting_is_a_mapping_of_lists() -> None:
    text = "{pool: [highmem, fast], gpu: ['1..8'], anything: []}"

    read = load(Settings, {"TESK_API_BACKEND_PARAMETERS": text})

    assert read.api.backend_parameters == {
        "pool": ("highmem", "fast"),
        "gpu": ("1..8",),
        "anything": (),
    }


@pytest.mark.parametrize("strict", [False, True])
def test_a_parameter_about_attempts_that_cannot_be_read_is_refused(
    *, strict: bool
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parsed({"max_attempts": "many", "Max_Run_Time": "1h"}, strict=strict)

    problems = [str(each) for each in caught.value.violations]
    path = "resources.backend_parameters.max_attempts"
    assert f"{path}: must be a whole number from 1 to 100" in problems


def test_parameters_about_attempts_are_offered_everywhere() -> None:
    offered = with_attempt_parameters({"pool": ("fast",), "MAX_ATTEMPTS": ("1..3",)})

    assert offered["retry_on_exit_codes"] == ()
    assert offered["MAX_ATTEMPTS"] == ("1..3",)
    assert "max_attempts" not in offered
