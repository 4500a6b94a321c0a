"""Users from htpasswd files: who gets in, as whom, and until when."""

import base64
import threading
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import timedelta
from pathlib import Path

import bcrypt
import pytest

from tesk_api.adapters.basic_access import AccessFiles, BasicAccess
from tesk_api.adapters.open_access import OpenAccess
from tesk_api.adapters.turnstile import Turnstile
from tesk_api.domain.requests import Caller
from tesk_model.errors import ResourceExhaustedError, UnauthenticatedError


class StillClock:
    """Time that moves only when a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

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


def make_turnstile(inside: int = 2, waiting: int = 2) -> Turnstile:
    return Turnstile(inside=inside, waiting=waiting, patience=timedelta(0))


def access(
    files: AccessFiles,
    clock: StillClock | None = None,
    turnstile: Turnstile | None = None,
) -> BasicAccess:
    return BasicAccess(
        files,
        clock=clock or StillClock(),
        memory=timedelta(seconds=60),
        turnstile=turnstile or make_turnstile(),
    )


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
def test_others_are_refused(files: AccessFiles, authorization: str | None) -> None:
    with pytest.raises(UnauthenticatedError):
        access(files).authenticate(authorization)


def test_the_scheme_is_known_in_any_case(files: AccessFiles) -> None:
    authorization = header("bob", "b").replace("Basic", "bASIC")

    assert access(files).authenticate(authorization).user == "bob"


def test_a_new_password_holds_at_once(files: AccessFiles) -> None:
    basic = access(files)
    basic.authenticate(header("bob", "b"))

    files.users.write_text(line("bob", "new password"))

    assert basic.authenticate(header("bob", "new password")).user == "bob"
    with pytest.raises(UnauthenticatedError):
        basic.authenticate(header("bob", "b"))


def test_a_broken_file_leaves_the_former_users(files: AccessFiles) -> None:
    basic = access(files)

    files.users.write_text("bob:plain text\n")

    assert basic.authenticate(header("bob", "b")).user == "bob"


def test_a_success_is_remembered_for_its_time(files: AccessFiles) -> None:
    clock = StillClock()
    basic = access(files, clock)
    basic.authenticate(header("bob", "b"))
    (until,) = basic._known.values()

    assert until == 60
    clock.seconds = 61
    assert basic.authenticate(header("bob", "b")).user == "bob"
    assert list(basic._known.values()) == [121]


def test_each_use_of_a_success_renews_it(files: AccessFiles) -> None:
    clock = StillClock()
    turnstile = make_turnstile(inside=1, waiting=0)
    basic = access(files, clock, turnstile)
    basic.authenticate(header("bob", "b"))

    with turnstile.turn():  # no password can be checked
        for clock.seconds in (50, 100, 150):
            assert basic.authenticate(header("bob", "b")).user == "bob"


def test_while_many_passwords_are_checked_only_the_known_get_in(
    files: AccessFiles,
) -> None:
    turnstile = make_turnstile()
    basic = access(files, turnstile=turnstile)
    basic.authenticate(header("bob", "b"))

    with turnstile.turn(), turnstile.turn():
        assert basic.authenticate(header("bob", "b")).user == "bob"
        for credentials in (("alice", "a:ä"), ("bob", "x"), ("carol", "b")):
            with pytest.raises(ResourceExhaustedError) as caught:
                basic.authenticate(header(*credentials))
            assert caught.value.retry_after == timedelta(seconds=1)

    assert basic.authenticate(header("alice", "a:ä")).user == "alice"


def test_who_waits_for_a_turn_gets_it_and_no_more_wait_than_may() -> None:
    turnstile = Turnstile(inside=1, waiting=1, patience=timedelta(seconds=20))
    inside = threading.Event()
    leave = threading.Event()

    def work() -> None:
        with turnstile.turn():
            inside.set()
            assert leave.wait(20)

    def sent_away() -> bool:
        try:
            with turnstile.turn():
                return False
        except ResourceExhaustedError:
            return True

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(work)
        assert inside.wait(20)
        others = [pool.submit(sent_away) for _ in range(2)]
        # One waits, so that the other one knows at once.
        done, _ = wait(others, 20, return_when=FIRST_COMPLETED)
        assert [future.result() for future in done] == [True]
        leave.set()

        first.result(20)
        assert sorted(future.result(20) for future in others) == [False, True]


BROKEN = {
    "a hash of another kind": ("users", "bob:{SHA}x\n", "line 1: must read name:$2y$"),
    "a line without name": ("users", "# a\n:$2y$x\n", "line 2: must read name:$2y$"),
    "a group without colon": ("groups", "lab alice\n", "line 1: must read group:"),
}


@pytest.mark.parametrize(("name", "text", "want"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_stops_the_start(
    files: AccessFiles, name: str, text: str, want: str
) -> None:
    (files.users.parent / name).write_text(text)

    with pytest.raises(ValueError, match=want.replace("$", r"\$")):
        access(files)


def test_a_missing_file_stops_the_start(files: AccessFiles) -> None:
    files.users.unlink()

    with pytest.raises(ValueError, match="cannot read"):
        access(files)


def test_open_access_ignores_credentials() -> None:
    assert OpenAccess().authenticate(header("None", "None")) == Caller()
