"""What is remembered of taskmasters goes with them."""

from hypothesis import given
from hypothesis import strategies as st

from tesk_scheduler.usecases.call_memory import CallMemory, CallState

IDLE = CallState(idle_since=3)


def test_the_last_state_is_remembered() -> None:
    memory = CallMemory(30)
    memory.put("tm-1", CallState(), 1)
    memory.put("tm-1", IDLE, 2)

    assert memory.get("tm-1") == IDLE
    assert memory.get("tm-2") == CallState()


def test_a_taskmaster_that_was_told_to_exit_is_forgotten() -> None:
    memory = CallMemory(30)
    memory.put("tm-1", IDLE, 1)

    memory.forget("tm-1")

    assert memory.get("tm-1") == CallState()
    assert len(memory) == 0


def test_a_taskmaster_that_does_not_call_for_a_lifetime_is_forgotten() -> None:
    memory = CallMemory(30)
    memory.put("lost", IDLE, 0)
    memory.put("alive", IDLE, 0)
    memory.put("alive", IDLE, 20)

    memory.put("new", IDLE, 31)

    assert memory.get("lost") == CallState()
    assert memory.get("alive") == IDLE


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 20)), max_size=60))
def test_the_memory_holds_only_taskmasters_that_called_within_a_lifetime(
    calls: list[tuple[int, int]],
) -> None:
    memory, now, last = CallMemory(30), 0, dict[int, int]()
    for name, pause in calls:
        now += pause
        last[name] = now
        memory.put(f"tm-{name}", IDLE, now)

        assert len(memory) == sum(1 for called in last.values() if now - called <= 30)
