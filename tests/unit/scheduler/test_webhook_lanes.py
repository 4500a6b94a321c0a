"""How many tries run at once: no receiver takes what others need."""

from hypothesis import given
from hypothesis import strategies as st

from tesk_scheduler.domain.webhooks.lanes import LANES, Lane, Running, slots_of

OPERATORS = Lane(of_tasks=False, failing=False)
OF_TASKS = Lane(of_tasks=True, failing=False)
FAILING = Lane(of_tasks=False, failing=True)


def test_receivers_of_tasks_leave_the_slots_of_the_operators_alone() -> None:
    running = Running(slots_of(4))
    number = 0
    while running.free(OF_TASKS):
        running.start(f"ci https://h{number}:443", "t", OF_TASKS)
        number += 1

    assert running.free(OPERATORS) == 4


def test_a_destination_begins_with_one_try_and_gets_more_when_it_is_there() -> None:
    running = Running(slots_of(16))

    running.start("lab", "t-1", OPERATORS)
    before = running.room("lab", OPERATORS)
    running.end("lab", "t-1", reached=True)
    proven = running.room("lab", OPERATORS)
    running.start("lab", "t-2", OPERATORS)
    running.end("lab", "t-2", reached=False)

    assert before == 0
    assert proven > 1
    assert running.room("lab", OPERATORS) == 1


def test_a_failing_destination_is_tried_one_by_one() -> None:
    running = Running(slots_of(16))
    running.start("lab", "t-1", OPERATORS)
    running.end("lab", "t-1", reached=True)

    assert running.room("lab", FAILING) == 1


@given(
    st.integers(1, 64),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from(LANES))),
)
def test_no_lane_exceeds_its_slots_and_all_ends_leave_nothing(
    parallel: int, wanted: list[tuple[int, int, Lane]]
) -> None:
    running = Running(slots_of(parallel))
    started = []
    for number, task, lane in wanted:
        # A destination is in one lane at a time, but may change it.
        name, task_id = f"d{number}", f"t{task}"
        if running.room(name, lane) and task_id not in running.tasks(name):
            running.start(name, task_id, lane)
            started.append((name, task_id))
        for each in LANES:
            assert running.free(each) <= running.slots[each]
    assert len(running) == len(started) <= sum(running.slots.values())

    for name, task_id in started:
        running.end(name, task_id, reached=True)

    assert len(running) == 0
    assert all(running.free(each) == running.slots[each] for each in LANES)
