"""The shapes of bar charts."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tesk_api.http.web.charts import Series, nice_time, nice_top, stacked_bars

AMOUNTS = st.floats(0, 1e12)


@given(AMOUNTS)
def test_an_axis_ends_at_a_round_number_not_far_above(largest: float) -> None:
    top = nice_top(largest)

    assert top >= max(largest, 1)
    assert top <= max(2.5 * largest, 1)
    assert f"{top:.1e}"[:3] in ("1.0", "2.0", "2.5", "5.0")


@given(AMOUNTS)
def test_an_axis_of_times_ends_not_far_above(seconds: float) -> None:
    top = nice_time(seconds)

    assert seconds <= top <= max(2.5 * seconds, 1)


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=60))
def test_bars_stay_in_the_box_and_what_is_not_0_is_seen(
    values: Sequence[tuple[float, float]],
) -> None:
    series = [
        Series(kind=kind, values=[each[index] for each in values])
        for index, kind in enumerate(("a", "b"))
    ]
    top = nice_top(max(map(sum, values)))

    bars = stacked_bars(series, ["when"] * len(values), top)

    assert len(bars) == sum(value > 0 for each in values for value in each)
    for bar in bars:
        assert bar.x >= 0
        assert bar.x + bar.width <= 100
        assert 0 <= bar.y <= 100
        assert bar.height >= 1
