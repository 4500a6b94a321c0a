"""Problems of a document are shown with the line that they are about."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_api.http.web.places import line_of, placed
from tesk_model.errors import Violation

TEXT = """\
{
  "name": "a \\"quoted\\" {name}",
  "tags": {"run": "17"},
  "executors": [
    {"image": "x", "command": ["true"]},
    {
      "image": "y",
      "command": [
        "sh",
        4
      ]
    }
  ]
}
"""
LINES = {
    "name": 2,
    "tags": 3,
    "tags.run": 3,
    "executors": 4,
    "executors[0].image": 5,
    "executors[1]": 6,
    "executors[1].command[1]": 10,
    # What is missing stands where it should be.
    "executors[1].workdir": 6,
    "executors[7].image": 4,
    "inputs": 1,
    "name.of.nothing": 2,
}


@pytest.mark.parametrize(("path", "line"), LINES.items(), ids=LINES)
def test_a_field_has_the_line_on_which_it_begins(path: str, line: int) -> None:
    assert line_of(TEXT, path) == line


@pytest.mark.parametrize("text", ["", "{", '{"name": }', "[" * 100_000])
def test_what_is_not_json_has_no_lines(text: str) -> None:
    assert line_of(text, "name") is None


def test_a_problem_of_the_whole_has_no_line() -> None:
    [problem] = placed(TEXT, [Violation("", "is too large")])

    assert problem.line is None


def test_long_texts_and_many_problems_are_not_looked_through() -> None:
    problems = placed(TEXT, [Violation("name", "is wrong")] * 60)
    assert [each.line for each in problems] == [2] * 50 + [None] * 10

    [problem] = placed(TEXT + " " * 2**18, [Violation("name", "is wrong")])
    assert problem.line is None


names = st.text('ab"\\{}[]:,\n', max_size=4)
values = st.recursive(
    st.none() | st.integers() | names,
    lambda inner: st.lists(inner) | st.dictionaries(st.text("ab", min_size=1), inner),
    max_leaves=20,
)


@given(before=values, after=values, value=values)
def test_it_is_found_among_whatever_is_around_it(
    before: Any, after: Any, value: Any
) -> None:
    head = json.dumps({"before": before}, indent=1)[:-2]
    member = json.dumps(value, indent=1)
    text = f'{head},\n "inputs": [0,\n{member}\n], "after": {json.dumps(after)}}}'

    assert line_of(text, "inputs[1]") == head.count("\n") + 3
