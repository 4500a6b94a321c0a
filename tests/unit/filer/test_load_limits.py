"""Transfers are held back as hosts ask for it, and as the operator says."""

import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.transfer import Bench
from tesk_filer.domain.bandwidth import RateLimit
from tesk_filer.domain.congestion import Window
from tesk_filer.ports import HaltedError, StorageError
from tesk_filer.usecases.load_limits import Bandwidth, HostLimits
from tesk_filer.usecases.transfer import ExitCode
from tesk_model.task import Input

COMPLAINT = StorageError("SlowDown", transient=True, throttled=True)


@given(most=st.integers(1, 64), events=st.lists(st.booleans(), max_size=200))
def test_a_window_stays_between_one_and_the_most(most: int, events: list[bool]) -> None:
    window = Window.open(most)
    for went_well in events:
        before = window
        window = (
            window.after_success()
            if went_well
            else window.after_complaint(window.decreases)
        )
        assert 1 <= window.limit <= most
        assert window.limit <= before.limit + 1
        assert went_well or window.size == max(before.size / 2, 1)


@given(most=st.integers(2, 64))
def test_a_window_grows_by_one_for_as_many_successes_as_it_has_room(most: int) -> None:
    window = Window.open(most).after_complaint(0)
    limit = window.limit
    for _ in range(limit + 1):
        window = window.after_success()

    assert window.limit in (limit + 1, most)


@given(most=st.integers(1, 64), late=st.integers(0, 10))
def test_complaints_about_one_excess_count_once(most: int, late: int) -> None:
    halved = Window.open(most).after_complaint(0)
    window = halved
    for _ in range(late):
        window = window.after_complaint(0)

    assert window == halved


@given(
    rate=st.floats(1, 1e9),
    takes=st.lists(
        st.tuples(st.integers(0, 10**8), st.floats(0, 10)), min_size=1, max_size=50
    ),
)
def test_no_more_bytes_pass_than_the_rate_allows(
    rate: float, takes: list[tuple[int, float]]
) -> None:
    limit, now, passed = RateLimit(rate), 0.0, 0
    for size, idle in takes:
        now += limit.take(size, now) + idle
        passed += size

    before_the_last = passed - takes[-1][0]
    assert before_the_last <= rate * (now + 0.25) * 1.001


def test_a_rate_that_is_not_reached_costs_nothing() -> None:
    limit = RateLimit(100)

    assert limit.take(20, 10.0) == 0
    assert limit.take(100, 11.0) == pytest.approx(0.75)


def run_all(works: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def test_a_host_that_complains_gets_fewer_at_once_and_others_as_many() -> None:
    limits = HostLimits(4, threading.Event(), now=lambda: 0.0)
    with pytest.raises(StorageError), limits.request("busy"):
        raise COMPLAINT
    active, most, lock = (
        {"busy": 0, "idle": 0},
        {"busy": 0, "idle": 0},
        threading.Lock(),
    )
    together = threading.Barrier(4)

    def move(host: str) -> None:
        with limits.request(host):
            with lock:
                active[host] += 1
                most[host] = max(most[host], active[host])
            if host == "idle":
                together.wait(30)  # four are under way at once
            with lock:
                active[host] -= 1

    run_all([lambda host=host: move(host) for host in ["busy", "idle"] * 4])  # type: ignore[misc]

    assert most["idle"] == 4
    assert most["busy"] <= 2


def test_a_request_that_waits_ends_with_the_transfer() -> None:
    halt = threading.Event()
    limits = HostLimits(1, halt, now=lambda: 0.0)
    with limits.request("host"):
        halt.set()
        with pytest.raises(HaltedError), limits.request("host"):
            pass


@dataclass
class Far:
    """Limits of hosts whose responses take ``seconds``, and what they asked for."""

    seconds: float
    time: float = 0.0
    grown: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.limits = HostLimits(
            4, threading.Event(), now=lambda: self.time, grow=self.grown.append
        )

    def move(self, files: int, *, widening: int = 4) -> None:
        """Move small files of a host, one after another."""
        for _ in range(files):
            with self.limits.request("host", widening) as responded:
                self.time += self.seconds
                responded()

    def most(self, *, widening: int) -> int:
        """Return how many files may be under way at once."""
        count = 0
        halted = threading.Event()
        halted.set()
        self.limits._halt = halted  # a wait ends at once
        with ExitStack() as stack:
            with suppress(HaltedError):
                while True:
                    stack.enter_context(self.limits.request("host", widening))
                    count += 1
            return count


@pytest.mark.parametrize(
    ("seconds", "most"), {0.001: 4, 0.005: 8, 0.1: 16}.items(), ids=str
)
def test_as_many_small_files_move_as_the_time_of_a_response_asks_for(
    seconds: float, most: int
) -> None:
    far = Far(seconds)

    far.move(63)
    assert not far.grown
    far.move(100)

    assert far.grown == [most]
    assert far.most(widening=4) == most


def test_no_more_large_files_move_at_once_from_far_away() -> None:
    far = Far(0.1)
    far.move(64)

    assert far.most(widening=1) == 4


def test_the_first_responses_which_wait_for_connections_ask_for_nothing() -> None:
    far = Far(0.5)
    far.move(63)
    far.seconds = 0.001
    far.move(1)

    assert far.grown == [4]


def test_a_host_that_has_complained_gets_no_more_than_usual() -> None:
    far = Far(0.1)
    with pytest.raises(StorageError), far.limits.request("host", 4):
        raise COMPLAINT
    far.move(1000)

    assert far.grown == [4]
    assert far.most(widening=4) == 4


def test_errors_of_other_kinds_change_nothing() -> None:
    limits = HostLimits(2, threading.Event(), now=lambda: 0.0)
    with pytest.raises(StorageError), limits.request("host"):
        raise StorageError("broke", transient=True)

    with limits.request("host"), limits.request("host"):
        pass


def test_a_limit_of_bytes_is_kept_and_ends_with_the_transfer() -> None:
    halt = threading.Event()
    bandwidth = Bandwidth(1000, lambda: 0.0, halt)
    bandwidth.take(250)
    halt.set()

    with pytest.raises(HaltedError):
        bandwidth.take(10**9)
    Bandwidth(0, lambda: 0.0, halt).take(10**9)


def test_what_moves_no_bytes_does_not_wait_for_those_that_others_moved() -> None:
    halt = threading.Event()
    bandwidth = Bandwidth(1000, lambda: 0.0, halt)
    halt.set()  # whoever waits is told so
    with pytest.raises(HaltedError):
        bandwidth.take(10**9)

    bandwidth.take(0)
    bandwidth.take(-(10**9))  # what is sent again has passed nevertheless

    with pytest.raises(HaltedError):
        bandwidth.take(1)


def test_files_of_a_host_that_complains_arrive_all(tmp_path: Path) -> None:
    bench = Bench(tmp_path, parts_from=1)
    bench.storage.files = {f"s3://b/{number}": b"x" * 40 for number in range(20)}
    bench.storage.faults = {
        f"s3://b/{number}": [COMPLAINT, COMPLAINT] for number in range(0, 20, 3)
    }
    inputs = (Input(path=f"/{number}", url=f"s3://b/{number}") for number in range(20))

    assert bench.bring(*inputs) is ExitCode.OK
    assert len(bench.texts()) == 20
