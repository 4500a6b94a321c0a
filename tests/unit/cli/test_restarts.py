from datetime import timedelta

from tesk_cli.domain.restarts import RestartPolicy


def seconds(*numbers: float) -> list[timedelta]:
    return [timedelta(seconds=number) for number in numbers]


def test_delays_double_up_to_the_longest() -> None:
    policy = RestartPolicy(
        initial_delay=timedelta(seconds=1),
        max_delay=timedelta(seconds=3),
        max_crashes=9,
    )
    crashes = seconds(0, 1, 2, 3)

    delays = [policy.delay(crashes[: n + 1], crashes[n]) for n in range(4)]

    assert delays == seconds(1, 2, 3, 3)


def test_a_crash_loop_is_given_up() -> None:
    policy = RestartPolicy(max_crashes=2, window=timedelta(seconds=10))

    assert policy.delay(seconds(0, 1, 2), timedelta(seconds=2)) is None


def test_crashes_of_long_ago_are_forgotten() -> None:
    policy = RestartPolicy(max_crashes=2, window=timedelta(seconds=10))

    assert (
        policy.delay(seconds(0, 1, 100), timedelta(seconds=100)) == policy.initial_delay
    )
