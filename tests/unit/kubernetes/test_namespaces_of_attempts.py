"""Attempts are spread over the namespaces, and found again."""

from hypothesis import given
from hypothesis import strategies as st

from tesk_kubernetes.names import namespace_of
from tesk_model.names import Attempt
from tesk_model.task import TaskId

NAMESPACES = ("a", "b", "c")


@given(st.text(min_size=1), st.integers(1, 9))
def test_all_attempts_of_a_task_are_in_one_namespace(task: str, number: int) -> None:
    first = namespace_of(Attempt(TaskId(task), 1), NAMESPACES)

    assert namespace_of(Attempt(TaskId(task), number), NAMESPACES) == first


def test_the_hash_stays_what_it_is() -> None:
    """Another hash in a new version would lose what the old one had made."""
    found = [namespace_of(f"task-{number}", NAMESPACES) for number in range(1, 5)]

    assert found == ["b", "b", "a", "c"]
