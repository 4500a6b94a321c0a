"""The table of states."""

import pytest

from tesk_model.states import FINAL_STATES, TRANSITIONS, TaskState, can_follow


def test_all_eleven_states_of_the_specification_are_listed() -> None:
    assert len(TaskState) == 11
    assert set(TRANSITIONS) == set(TaskState)


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_a_final_state_has_no_successor(state: TaskState) -> None:
    assert TRANSITIONS[state] == frozenset()


@pytest.mark.parametrize(
    "state", [TaskState.UNKNOWN, TaskState.PAUSED, TaskState.PREEMPTED]
)
def test_states_that_clients_cannot_handle_are_never_entered(state: TaskState) -> None:
    assert not any(state in following for following in TRANSITIONS.values())


def test_every_live_state_can_reach_a_final_one() -> None:
    reaching = set(FINAL_STATES)
    for _ in TaskState:
        reaching |= {
            state for state, following in TRANSITIONS.items() if following & reaching
        }

    assert {state for state in TaskState if TRANSITIONS[state]} <= reaching


def test_canceling_is_followed_by_canceled_only() -> None:
    assert TRANSITIONS[TaskState.CANCELING] == {TaskState.CANCELED}
    assert not can_follow(TaskState.CANCELING, TaskState.COMPLETE)
