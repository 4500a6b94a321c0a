"""How many urls are looked at for each owner."""

from hypothesis import given
from hypothesis import strategies as st

from tesk_filer.domain.url_rates import UrlRates


def test_a_minutes_worth_may_come_at_once() -> None:
    rates = UrlRates(60)

    assert rates.take("alice", 60, 1000) == 0
    assert rates.take("alice", 1, 1000) > 0


def test_what_is_refused_counts_nothing() -> None:
    rates = UrlRates(60)
    rates.take("alice", 50, 1000)

    wait = rates.take("alice", 30, 1000)

    assert 19 < wait <= 20
    assert rates.take("alice", 10, 1000) == 0


def test_after_the_wait_that_was_told_it_is_counted() -> None:
    rates = UrlRates(60)
    rates.take("alice", 60, 1000)

    wait = rates.take("alice", 7, 1000)

    assert rates.take("alice", 7, 1000 + wait) == 0


def test_owners_have_rates_of_their_own() -> None:
    rates = UrlRates(60)
    rates.take("alice", 60, 1000)

    assert rates.take("bob", 60, 1000) == 0


def test_very_many_owners_take_no_more_memory() -> None:
    rates = UrlRates(60)
    rates.take("first", 60, 1000)

    for number in range(10_000):
        rates.take(f"user-{number}", 1, 1000)

    assert rates.take("first", 60, 1000) == 0  # forgotten


@given(
    st.lists(
        st.tuples(st.integers(1, 60), st.floats(0, 30, allow_nan=False)), max_size=60
    )
)
def test_no_minute_has_more_than_two_minutes_worth(
    asked: list[tuple[int, float]],
) -> None:
    rates, now = UrlRates(60), 1000.0
    counted: list[tuple[float, int]] = []
    for urls, pause in asked:
        now += pause
        if rates.take("alice", urls, now) == 0:
            counted.append((now, urls))

    for start, _ in counted:
        within = [urls for at, urls in counted if start <= at <= start + 60]
        assert sum(within) <= 2 * 60
