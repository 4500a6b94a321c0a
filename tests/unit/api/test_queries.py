"""Query parameters are parsed or refused."""

from urllib.parse import parse_qsl

import pytest
from werkzeug.datastructures import Headers, MultiDict

from tesk_api.domain.requests import TagCondition, TaskQuery
from tesk_api.http.queries import parse_idempotency_key, parse_query, parse_view
from tesk_model.errors import InvalidRequestError
from tesk_model.states import TaskState
from tesk_model.task import TaskView

STATES = ", ".join(TaskState)


def arguments(query: str) -> MultiDict[str, str]:
    return MultiDict(parse_qsl(query, keep_blank_values=True))


UNDERSTOOD = {
    "nothing": ("", TaskQuery()),
    "empty values are defaults": (
        "view=&state=&page_size=&page_token=&name_prefix=",
        TaskQuery(),
    ),
    "all at once": (
        "view=FULL&state=RUNNING&page_size=2047&page_token=x&name_prefix=%25_a",
        TaskQuery(
            view=TaskView.FULL,
            state=TaskState.RUNNING,
            page_size=2047,
            page_token="x",
            name_prefix="%_a",
        ),
    ),
    "keys and values by index, not by place": (
        "tag_value=1&tag_key=a&tag_key=b&tag_value=2",
        TaskQuery(tags=(TagCondition("a", "1"), TagCondition("b", "2"))),
    ),
    "missing values mean any": (
        "tag_key=a&tag_key=b&tag_value=1",
        TaskQuery(tags=(TagCondition("a", "1"), TagCondition("b", ""))),
    ),
    "unknown parameters": ("foo=bar", TaskQuery()),
    "a state that is never entered": (
        "state=UNKNOWN",
        TaskQuery(state=TaskState.UNKNOWN),
    ),
}


@pytest.mark.parametrize(("query", "want"), UNDERSTOOD.values(), ids=UNDERSTOOD)
def test_parse_query_accepts(query: str, want: TaskQuery) -> None:
    assert parse_query(arguments(query)) == want


SIZE = "page_size: must be a whole number from 1 to 2047"
REFUSED = {
    "a page of nothing": ("page_size=0", [SIZE]),
    "a negative page": ("page_size=-1", [SIZE]),
    "a page too large": ("page_size=2048", [SIZE]),
    "half a task": ("page_size=1.5", [SIZE]),
    "a page in words": ("page_size=ten", [SIZE]),
    "a page in Arabic digits": ("page_size=%D9%A1", [SIZE]),
    "a very large page": ("page_size=99999999999999999999", [SIZE]),
    "a view in lower case": (
        "view=full",
        ["view: must be one of MINIMAL, BASIC, FULL"],
    ),
    "an unknown state": ("state=CANCELLED", [f"state: must be one of {STATES}"]),
    "more values than keys": (
        "tag_key=a&tag_value=1&tag_value=2",
        ["tag_value: must not outnumber tag_key"],
    ),
    "values without keys": (
        "tag_value=1",
        ["tag_value: must not outnumber tag_key"],
    ),
    "a key twice": (
        "tag_key=a&tag_key=a",
        ["tag_key: must not name a key twice"],
    ),
    "NUL": ("name_prefix=a%00", ["name_prefix: must not contain NUL"]),
    "two problems": (
        "page_size=0&view=x",
        ["view: must be one of MINIMAL, BASIC, FULL", SIZE],
    ),
}


@pytest.mark.parametrize(("query", "want"), REFUSED.values(), ids=REFUSED)
def test_parse_query_refuses(query: str, want: list[str]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse_query(arguments(query))

    assert [str(violation) for violation in caught.value.violations] == want


def test_parse_view_is_minimal_unless_given() -> None:
    assert parse_view(arguments("")) is TaskView.MINIMAL
    assert parse_view(arguments("view=BASIC")) is TaskView.BASIC


@pytest.mark.parametrize("key", ["a b", "a" * 129, "ä", "a\nb"])
def test_idempotency_keys_are_short_and_printable(key: str) -> None:
    headers = Headers()
    headers.set("Idempotency-Key", key.replace("\n", "\t"))

    with pytest.raises(InvalidRequestError):
        parse_idempotency_key(headers)


@pytest.mark.parametrize(("sent", "want"), [("", ""), (" \t", ""), (" k-1 ", "k-1")])
def test_blanks_around_an_idempotency_key_are_removed(sent: str, want: str) -> None:
    assert parse_idempotency_key(Headers({"Idempotency-Key": sent})) == want
