"""HTTP Basic authentication with htpasswd files."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import bcrypt
import pytest

from tesk_api.adapters.basic_access import BasicAccess, PasswordChecks
from tesk_api.adapters.fair_semaphore import FairSemaphore
from tesk_api.adapters.open_access import OpenAccess
from tesk_api.adapters.user_files import AccessFiles
from tesk_api.domain.requests import Caller
from tesk_model.errors import ResourceExhaustedError, UnauthenticatedError


class StillClock:
    """A clock that tests advance."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds


def line(name: str, password: str) -> str:
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    return f"{name}:{hashed.replace('$2b$', '$2y$')}\n"


def header(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.fixture
def files(tmp_path: Path) -> AccessFiles:
    users = tmp_path / "users"
    users.write_text("# people\n\n" + line("alice", "a:ä") + line("bob", "b"))
    groups = tmp_path / "groups"
    groups.write_text("lab: alice bob\noperators: alice\n")
    return AccessFiles(users=users, groups=groups, admin_group="operators")


def make_semaphore(capacity: int = 2, max_waiting: int = 0) -> FairSemaphore:
    return FairSemaphore(
        capacity=capacity,
        max_waiting=max_waiting,
        timeout=timedelta(0),
        message="too many",
    )


@dataclass
class Login:
    """Logs in from one address."""

    basic: BasicAccess
    address: str = "192.0.2.1"

    def authenticate(self, authorization: str | None) -> Caller:
        return self.basic.authenticate(authorization, self.address)


def access(
    files: AccessFiles,
    clock: StillClock | None = None,
    semaphore: FairSemaphore | None = None,
) -> Login:
    unknown_clients = semaphore or make_semaphore()
    basic = BasicAccess(
        files,
        clock=clock or StillClock(),
        cache_ttl=timedelta(seconds=60),
        checks=PasswordChecks(
            unknown_clients=unknown_clients, known_clients=make_semaphore(capacity=1)
        ),
    )
    return Login(basic)


def test_the_caller_is_the_user_with_groups(files: AccessFiles) -> None:
    basic = access(files)

    assert basic.authenticate(header("alice", "a:ä")) == Caller(
        user="alice", groups=("lab", "operators"), admin=True
    )
    assert basic.authenticate(header("bob", "b")) == Caller(user="bob", groups=("lab",))


REFUSED = {
    "nobody": None,
    "a wrong password": header("bob", "x"),
    "an unknown name": header("carol", "b"),
    "an empty name": header("", ""),
    "no password": header("bob", ""),
    "a password of 100 bytes": header("bob", "b" * 100),
    "a password with NUL": header("bob", "b\0"),
    "another scheme": "Bearer abc",
    "no base64": "Basic ?",
    "a name that is not UTF-8": "Basic " + base64.b64encode(b"\xff:b").decode(),
    "py-tes without credentials": header("None", "None"),
}


@pytest.mark.parametrize("authorization", REFUSED.values(), ids=REFUSED)
def test_wrong_credentials_are_refused(
    files: AccessFiles, authorization: str | None
) -> None:
    with pytest.raises(UnauthenticatedError):
        access(files).authenticate(authorization)


def test_the_authentication_scheme_is_case_insensitive(files: AccessFiles) -> None:
    authorization = header("bob", "b").replace("Basic", "bASIC")

    assert access(files).authenticate(authorization).user == "bob"


def test_a_new_password_applies_at_once(files: AccessFiles) -> None:
    basic = access(files)
    basic.authenticate(header("bob", "b"))

    files.users.write_text(line("bob", "new password"))

    assert basic.authenticate(header("bob", "new password")).user == "bob"
    with pytest.raises(UnauthenticatedError):
        basic.authenticate(header("bob", "b"))


def test_a_broken_file_leaves_the_last_valid_users(files: AccessFiles) -> None:
    basic = access(files)

    files.users.write_text("bob:plain text\n")

    assert basic.authenticate(header("bob", "b")).user == "bob"


def test_a_success_is_cached_for_its_lifetime(files: AccessFiles) -> None:
    clock = StillClock()
    basic = access(files, clock)
    basic.authenticate(header("bob", "b"))
    (until,) = basic.basic._cache.values()

    assert until == 60
    clock.seconds = 61
    assert basic.authenticate(header("bob", "b")).user == "bob"
    assert list(basic.basic._cache.values()) == [121]


def test_each_use_of_a_cached_success_renews_it(files: AccessFiles) -> None:
    clock = StillClock()
    semaphore = make_semaphore(capacity=1)
    basic = access(files, clock, semaphore)
    basic.authenticate(header("bob", "b"))

    with semaphore.acquire():  # no password can be checked
        for clock.seconds in (50, 100, 150):
            assert basic.authenticate(header("bob", "b")).user == "bob"


def test_cached_users_get_in_while_many_passwords_are_checked(
    files: AccessFiles,
) -> None:
    semaphore = make_semaphore()
    basic = access(files, semaphore=semaphore)
    basic.authenticate(header("bob", "b"))

    with semaphore.acquire(), semaphore.acquire():
        assert basic.authenticate(header("bob", "b")).user == "bob"
        for credentials in (("alice", "a:ä"), ("alice", "x"), ("carol", "b")):
            with pytest.raises(ResourceExhaustedError) as caught:
                basic.authenticate(header(*credentials))
            assert caught.value.retry_after == timedelta(seconds=1)

    assert basic.authenticate(header("alice", "a:ä")).user == "alice"


def wrong(login: Login, name: str = "bob", password: str = "x") -> None:
    with pytest.raises(UnauthenticatedError):
        login.authenticate(header(name, password))


def pause(login: Login, name: str = "bob", password: str = "b") -> timedelta | None:
    with pytest.raises(ResourceExhaustedError, match="too many wrong") as caught:
        login.authenticate(header(name, password))
    return caught.value.retry_after


@pytest.mark.parametrize("name", ["bob", "nobody"])
def test_guesses_are_limited_whether_the_name_exists_or_not(
    files: AccessFiles, name: str
) -> None:
    clock = StillClock()
    login = access(files, clock)

    pauses: list[timedelta | None] = []
    for _ in range(12):
        for _ in range(5 if not pauses else 1):
            wrong(login, name)
        pauses.append(pause(login, name))
        clock.seconds += (pauses[-1] or timedelta(0)).total_seconds()

    assert [found.total_seconds() for found in pauses if found] == [
        *(1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60)
    ]


def test_a_flood_of_wrong_passwords_does_not_keep_other_users_out(
    files: AccessFiles,
) -> None:
    flood = access(files)
    for _ in range(5):
        wrong(flood)

    # Neither bob elsewhere, nor others at the same address.
    assert Login(flood.basic, "192.0.2.2").authenticate(header("bob", "b"))
    assert flood.authenticate(header("alice", "a:ä")).user == "alice"
    pause(flood, password="y")


def test_many_names_from_one_address_make_it_wait(files: AccessFiles) -> None:
    flood = access(files)
    for number in range(10):
        wrong(flood, f"name-{number}")

    assert pause(flood) == timedelta(seconds=1)
    assert Login(flood.basic, "192.0.2.2").authenticate(header("bob", "b"))


def test_guesses_from_many_addresses_do_not_keep_a_known_client_out(
    files: AccessFiles,
) -> None:
    clock = StillClock()
    home = access(files, clock)
    home.authenticate(header("bob", "b"))
    for number in range(20):
        wrong(Login(home.basic, f"198.51.100.{number}"))

    pause(Login(home.basic, "203.0.113.1"), password="y")
    clock.seconds = 61  # the success is not remembered any more, only where it was
    for number in range(20):
        wrong(Login(home.basic, f"198.51.101.{number}"), f"name-{number}")
    assert home.authenticate(header("bob", "b")).user == "bob"


def test_known_clients_get_in_while_all_other_checks_are_taken(
    files: AccessFiles,
) -> None:
    clock = StillClock()
    semaphore = make_semaphore(capacity=1)
    basic = access(files, clock, semaphore)
    basic.authenticate(header("bob", "b"))
    clock.seconds = 61

    with semaphore.acquire():
        assert basic.authenticate(header("bob", "b")).user == "bob"


def test_a_cached_password_needs_no_check(files: AccessFiles) -> None:
    basic = access(files)
    basic.authenticate(header("bob", "b"))
    for _ in range(5):
        wrong(basic)

    assert basic.authenticate(header("bob", "b")).user == "bob"
    pause(basic, password="y")


def test_open_access_ignores_credentials() -> None:
    assert OpenAccess().authenticate(header("None", "None"), "") == Caller()
