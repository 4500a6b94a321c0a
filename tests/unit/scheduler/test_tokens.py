"""Tokens cannot be made up, and say what they were given for."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_model.errors import InvalidRequestError
from tesk_model.names import Attempt
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain.records import TaskQuery
from tesk_scheduler.domain.tokens import (
    is_transfer_token,
    page_token,
    parse_page_token,
    transfer_token,
)

QUERY = TaskQuery(owner="alice", limit=10, tags=(("a", "1"), ("b", "")))
ATTEMPT = Attempt(TaskId("t-1"), 1)


@given(st.integers(0, 2**63 - 1))
def test_a_page_token_says_where_the_page_begins(last: int) -> None:
    assert parse_page_token("secret", QUERY, page_token("secret", QUERY, last)) == last


@given(st.integers(0, 2**40), st.integers(1, 1000))
def test_a_page_token_does_not_tell_how_many_tasks_there_are(
    last: int, more: int
) -> None:
    tokens = [page_token("secret", QUERY, number) for number in (last, last + more)]
    first, second = (base64.urlsafe_b64decode(token) for token in tokens)

    assert last.to_bytes(8) not in first
    # Nothing of one is where it is in the other, but by chance.
    assert sum(a == b for a, b in zip(first, second, strict=True)) < 8


def test_the_order_of_tags_and_the_page_size_do_not_matter() -> None:
    same = TaskQuery(owner="alice", limit=3, tags=(("b", ""), ("a", "1")))

    assert parse_page_token("secret", same, page_token("secret", QUERY, 7)) == 7


WRONG = {
    "another owner": ("secret", TaskQuery(owner="bob", limit=10, tags=QUERY.tags)),
    "an admin": ("secret", TaskQuery(owner=None, limit=10, tags=QUERY.tags)),
    "other tags": ("secret", TaskQuery(owner="alice", limit=10)),
    "another state": (
        "secret",
        TaskQuery(owner="alice", limit=10, tags=QUERY.tags, state=TaskState.QUEUED),
    ),
    "another service": ("other", QUERY),
}


@pytest.mark.parametrize(("secret", "query"), WRONG.values(), ids=WRONG)
def test_a_page_token_is_good_for_its_list_alone(secret: str, query: TaskQuery) -> None:
    token = page_token("secret", QUERY, 7)

    with pytest.raises(InvalidRequestError, match="page_token"):
        parse_page_token(secret, query, token)


@given(st.text())
def test_a_token_that_was_never_issued_is_refused(token: str) -> None:
    with pytest.raises(InvalidRequestError, match="page_token"):
        parse_page_token("secret", QUERY, token)


def test_a_transfer_token_is_good_for_its_attempt_alone() -> None:
    token = transfer_token("secret", ATTEMPT)

    assert is_transfer_token("secret", ATTEMPT, token)
    assert not is_transfer_token("secret", Attempt(TaskId("t-1"), 2), token)
    assert not is_transfer_token("secret", Attempt(TaskId("t-2"), 1), token)
    assert not is_transfer_token("secret", ATTEMPT, token + "ä")
    assert not is_transfer_token("other", ATTEMPT, token)
