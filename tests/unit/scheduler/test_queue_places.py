"""The estimated place of a task against the order in which fair shares serve."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.queues import cores, plan
from builders.queues import queued as queued_task
from tesk_scheduler.domain.queue_places import estimate_place
from tesk_scheduler.domain.quota import Quota, Share, Subject, SubjectKind

OWNERS = ("a", "b", "c", "d", "e")


def served(queued: Mapping[str, int], weights: Mapping[str, float]) -> list[str]:
    """Serve one task after the other, always the owner with the least share after it.

    An owner of weight 0 comes after all others.
    """
    done = dict.fromkeys(queued, 0)
    order = []

    def share(owner: str) -> tuple[bool, float, str]:
        weight = weights[owner]
        return (not weight, (done[owner] + 1) / (weight or 1), owner)

    while left := [owner for owner in queued if done[owner] < queued[owner]]:
        owner = min(left, key=share)
        done[owner] += 1
        order.append(owner)
    return order


def place_of(order: list[str], owner: str, position: int) -> int:
    places = [place for place, each in enumerate(order, 1) if each == owner]
    return places[position - 1]


@given(
    queued=st.dictionaries(
        st.sampled_from(OWNERS), st.integers(1, 30), min_size=1, max_size=5
    ),
    weights=st.fixed_dictionaries(
        {owner: st.sampled_from([0.0, 0.5, 1.0, 2.0, 4.0]) for owner in OWNERS}
    ),
    data=st.data(),
)
def test_the_estimate_is_within_one_task_of_each_other_owner(
    queued: dict[str, int], weights: dict[str, float], data: st.DataObject
) -> None:
    owner = data.draw(st.sampled_from(sorted(queued)))
    position = data.draw(st.integers(1, queued[owner]))

    estimate = estimate_place(
        position, owner, queued=queued, weight_of=weights.__getitem__
    )

    real = place_of(served(queued, weights), owner, position)
    assert abs(estimate - real) <= len(queued) - 1
    assert position <= estimate <= sum(queued.values())


PLACES: dict[str, tuple[int, dict[str, int], dict[str, float], int]] = {
    "alone": (7, {"me": 10}, {}, 7),
    "the first beside a thousand of another": (1, {"me": 1, "b": 1000}, {}, 2),
    "behind all of those who have fewer": (50, {"me": 90, "b": 3, "c": 1}, {}, 54),
    "twice the share is before half as many": (4, {"me": 9, "b": 99}, {"me": 2}, 6),
    "no share comes last": (1, {"me": 1, "b": 40}, {"me": 0}, 41),
    "others without a share come last": (3, {"me": 3, "b": 40}, {"b": 0}, 3),
}


@pytest.mark.parametrize(
    ("position", "queued", "weights", "want"), PLACES.values(), ids=PLACES
)
def test_a_place_counts_those_who_are_likely_before(
    position: int, queued: dict[str, int], weights: dict[str, float], want: int
) -> None:
    place = estimate_place(
        position,
        "me",
        queued=queued,
        weight_of=lambda name: weights.get(name, 1.0),
    )

    assert place == want


@given(
    lengths=st.dictionaries(
        st.sampled_from(OWNERS), st.integers(1, 12), min_size=1, max_size=5
    ),
    weights=st.fixed_dictionaries(
        {owner: st.sampled_from([0.0, 0.5, 1.0, 2.0, 4.0]) for owner in OWNERS}
    ),
)
def test_the_estimate_is_as_near_to_what_admission_does(
    lengths: dict[str, int], weights: dict[str, float]
) -> None:
    queues = [
        [queued_task(f"{owner}-{number}") for number in range(length)]
        for owner, length in lengths.items()
    ]
    shares = {
        Subject(SubjectKind.USER, owner): Share(weight=weight)
        for owner, weight in weights.items()
    }
    order = plan(*queues, quota=Quota(shares=shares, capacity=cores(1000))).admitted

    for place, task in enumerate(order, 1):
        estimate = estimate_place(
            int(task.id.rpartition("-")[2]) + 1,
            task.owner,
            queued=lengths,
            weight_of=weights.__getitem__,
        )
        assert abs(estimate - place) <= len(lengths) - 1
