"""Backend parameters about attempts are read, or refused with what would be right."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_model.attempt_parameters import (
    NO_PARAMETERS,
    AttemptParameters,
    ExitCodes,
    given_parameters,
    parameter_violations,
    parse_exit_codes,
    parse_parameters,
)

GIVEN: dict[str, tuple[dict[str, str], AttemptParameters]] = {
    "none": ({"pool": "fast"}, NO_PARAMETERS),
    "exit codes": (
        {"retry_on_exit_codes": "137, 1-3"},
        AttemptParameters(retry_on_exit_codes=ExitCodes([(137, 137), (1, 3)])),
    ),
    "in any case": ({"Max_Attempts": "4"}, AttemptParameters(max_attempts=4)),
    "more memory": (
        {"oom_memory_factor": "1.5", "oom_max_ram_gb": "64"},
        AttemptParameters(oom_memory_factor=1.5, oom_max_ram_gb=64),
    ),
    "seconds": (
        {"max_run_time": "90"},
        AttemptParameters(max_run_time=timedelta(seconds=90)),
    ),
    "days": (
        {"max_queue_time": "3d"},
        AttemptParameters(max_queue_time=timedelta(days=3)),
    ),
}


@pytest.mark.parametrize(("parameters", "want"), GIVEN.values(), ids=GIVEN)
def test_parameters_are_read(
    parameters: dict[str, str], want: AttemptParameters
) -> None:
    assert list(parameter_violations(parameters)) == []
    assert parse_parameters(parameters) == want
    assert parse_parameters(given_parameters(parameters)) == want


WRONG = {
    "success": ("retry_on_exit_codes", "0", "from 1 to 255"),
    "no code": ("retry_on_exit_codes", "", "at least one"),
    "too large": ("retry_on_exit_codes", "256", "from 1 to 255"),
    "backwards": ("retry_on_exit_codes", "3-1", "from 1 to 255"),
    "words": ("retry_on_exit_codes", "all", "from 1 to 255"),
    "many": ("retry_on_exit_codes", ",".join(["1"] * 33), "at most 32"),
    "no attempt": ("max_attempts", "0", "from 1 to 100"),
    "a fraction": ("max_attempts", "1.5", "from 1 to 100"),
    "a long number": ("max_attempts", "9" * 5000, "from 1 to 100"),
    "less memory": ("oom_memory_factor", "1", "above 1"),
    "no number": ("oom_memory_factor", "nan", "above 1"),
    "endless": ("oom_memory_factor", "inf", "above 1"),
    "no time": ("max_run_time", "0", "above 0"),
    "a unit that is not known": ("max_run_time", "3w", "90m, 12h, 3d"),
    "for ever": ("max_queue_time", "400d", "at most 366d"),
}


@pytest.mark.parametrize(("key", "value", "problem"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_is_refused(key: str, value: str, problem: str) -> None:
    (violation,) = parameter_violations({key: value})

    assert violation.path == f"resources.backend_parameters.{key}"
    assert problem in violation.message


def test_all_problems_are_named_at_once() -> None:
    wrong = {"max_attempts": "x", "max_run_time": "x", "oom_max_ram_gb": "4"}

    assert len(list(parameter_violations(wrong))) == 3


RANGES = st.tuples(st.integers(1, 255), st.integers(1, 255)).map(
    lambda pair: (min(pair), max(pair))
)


@given(st.lists(RANGES, max_size=32).map(ExitCodes))
def test_exit_codes_are_written_as_they_are_read(codes: ExitCodes) -> None:
    assert parse_exit_codes(str(codes)) == codes


@given(st.lists(RANGES, max_size=32).map(ExitCodes), st.integers(0, 300))
def test_a_code_is_in_its_range(codes: ExitCodes, code: int) -> None:
    assert codes.has(code) == any(code in range(a, b + 1) for a, b in codes)


@given(st.dictionaries(st.sampled_from(list(GIVEN)) | st.text(), st.text()))
def test_any_text_is_read_or_refused(parameters: dict[str, str]) -> None:
    if not list(parameter_violations(parameters)):
        parse_parameters(parameters)
