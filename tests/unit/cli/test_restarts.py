from datetime import timedelta

from tesk_cli.domain.restarts import RestartPolicy


def seconds(*numbers: float) -> list[timedelta]:
    return [timedelta(seconds=number) for number in numbers]


def test_delays_double_up_to_the_longest() -> None:
    policy = RestartPolicy(
        first=timedelta(seconds=1), longest=timedelta(seconds=3), most=9
    )
    crashes = seconds(0, 1, 2, 3)

    delays = [policy.delay(crashes[: n + 1], crashes[n]) for n in range(4)]

    assert delays == seconds(1, 2, 3, 3)


def test_a_crash_loop_ends() -> None:
    policy = RestartPolicy(most=2, window=timedelta(seconds=10))

    assert policy.delay(seconds(0, 1, 2), timedelta(seconds=2)) is None


def test_crashes_of_long_ago_are_forgotten() -> None:
    policy = RestartPolicy(most=2, window=timedelta(seconds=10))

    assert policy.delay(seconds(0, 1, 100), timedelta(seconds=100)) == policy.first
