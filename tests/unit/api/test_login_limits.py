"""Failed logins are counted by client, in bounded memory, and expire."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_api.domain.login_limits import FailureLimit, LoginLimits
from tesk_api.http.client_address import client_address

SAME_CLIENT = [
    ("2001:db8::1", "2001:db8::ffff:1", True),
    ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
    ("::ffff:192.0.2.1", "192.0.2.1", True),
    ("192.0.2.1", "192.0.2.2", False),
    ("", "192.0.2.2", False),
]


@pytest.mark.parametrize(("first", "second", "same"), SAME_CLIENT)
def test_addresses_of_one_client_count_together(
    first: str, second: str, same: bool
) -> None:
    limits = LoginLimits()
    for _ in range(5):
        limits.record_failure(first, "a", 0)

    assert (limits.pause(second, "a", 0) > 0) is same


def test_failures_expire() -> None:
    limits = LoginLimits()
    for _ in range(9):
        limits.record_failure("192.0.2.1", "a", 0)

    limits.record_failure("192.0.2.1", "a", 1000)

    assert limits.pause("192.0.2.1", "a", 1000) == 0


def test_many_names_and_addresses_take_bounded_memory() -> None:
    limits = LoginLimits()
    for number in range(12_000):
        limits.record_failure(
            f"10.0.{number // 250}.{number % 250}", f"n{number}" * 100, 0
        )
        limits.record_success(f"10.1.{number // 250}.{number % 250}", f"n{number}", 0)

    assert len(limits._pairs._failures._entries) == 10_000
    assert len(limits._addresses._failures._entries) == 10_000
    assert len(limits._names._failures._entries) == 10_000
    assert len(limits._known_clients._entries) == 10_000


@given(
    st.integers(0, 10_000),
    st.integers(0, 30),
    st.timedeltas(timedelta(seconds=1), timedelta(seconds=1000)),
)
def test_pauses_grow_up_to_the_maximum(
    failures: int, free: int, max_pause: timedelta
) -> None:
    limit = FailureLimit(free=free, max_pause=max_pause)

    pauses = [limit.pause(failures + more) for more in (0, 1)]
    assert 0 <= pauses[0] <= pauses[1] <= max_pause.total_seconds()
    assert (limit.pause(failures) > 0) is (failures >= free)


FORWARDED = {
    "no proxy is trusted": (0, "198.51.100.1", "192.0.2.1"),
    "one proxy": (1, "198.51.100.1", "198.51.100.1"),
    "entries that the client forged are ignored": (
        1,
        "203.0.113.9, 198.51.100.1",
        "198.51.100.1",
    ),
    "two proxies": (2, "203.0.113.9, 198.51.100.1, 10.0.0.1", "198.51.100.1"),
    "fewer entries than proxies": (2, "198.51.100.1", "192.0.2.1"),
    "an entry with a port": (1, "198.51.100.1:1234", "198.51.100.1"),
    "IPv6 with a port": (1, "[2001:db8::1]:1234", "2001:db8::1"),
    "no address": (1, "unknown", "192.0.2.1"),
    "nothing": (1, "", "192.0.2.1"),
}


@pytest.mark.parametrize(
    ("proxies", "header", "want"), FORWARDED.values(), ids=FORWARDED
)
def test_the_address_is_that_of_the_client_of_the_trusted_proxies(
    proxies: int, header: str, want: str
) -> None:
    environ = {"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_FOR": header}

    assert client_address(environ, proxies) == want


@given(st.text(), st.integers(0, 8))
def test_any_header_gives_an_address(header: str, proxies: int) -> None:
    environ = {"REMOTE_ADDR": "192.0.2.1:80", "HTTP_X_FORWARDED_FOR": header}

    assert client_address(environ, proxies)
