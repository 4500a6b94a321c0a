"""Guesses of passwords are limited and do not keep other users out."""

import base64
import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import bcrypt
import pytest

from fakes.api_process import ApiProcess, run_api, serve_scheduler
from fakes.api_scheduler import MemoryScheduler
from programs.waiting import eventually

# Slow enough for a flood to matter.
COST = 10
ATTACKER = "127.0.0.2"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiProcess]:
    users = tmp_path / "users"
    users.write_text(
        "".join(
            f"{name}:{bcrypt.hashpw(name.encode(), bcrypt.gensalt(COST)).decode()}\n"
            for name in ("alice", "bob", "carol")
        )
    )
    address = f"unix:{tmp_path}/scheduler.sock"
    environ = {"TESK_API_AUTH": "basic", "TESK_API_USERS_FILE": str(users)}
    with (
        serve_scheduler(MemoryScheduler(), address),
        run_api(tmp_path, address, **environ) as process,
    ):
        yield process


def log_in(
    api: ApiProcess, name: str, password: str, source: str = "127.0.0.1"
) -> tuple[int, str | None]:
    """Ask for the tasks of a user; return the status and ``Retry-After``."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", api.port, timeout=20, source_address=(source, 0)
    )
    secret = base64.b64encode(f"{name}:{password}".encode()).decode()
    try:
        connection.request(
            "GET", "/v1/tasks", headers={"Authorization": f"Basic {secret}"}
        )
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers["Retry-After"]
    finally:
        connection.close()


def gets_in(api: ApiProcess, name: str, source: str = "127.0.0.1") -> bool:
    """Log in as a client that comes back when it is told to: the machine is busy."""
    return eventually(
        lambda: log_in(api, name, name, source) == (200, None), every=1, what="a login"
    )


class Flood:
    """Sends wrong passwords from several threads until the block ends."""

    def __init__(self, api: ApiProcess, names: list[str], source: str) -> None:
        self.answers: Counter[int] = Counter()
        self._api, self._names, self._source = api, names, source
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(8)]

    def _send(self) -> None:
        for number in range(2000):
            if self._over.is_set():
                return
            name = self._names[number % len(self._names)]
            status, _ = log_in(self._api, name, f"wrong-{number}", self._source)
            self.answers[status] += 1

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        eventually(lambda: self.answers[429] > 20, what="the first refusals")
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)


def test_a_flood_for_one_name_does_not_keep_others_out(api: ApiProcess) -> None:
    # All from one address: as behind a proxy that is not trusted.
    with Flood(api, ["alice"], "127.0.0.1") as flood:
        assert gets_in(api, "bob")
        assert gets_in(api, "carol")

    assert flood.answers[401] <= 20


def test_a_flood_of_names_does_not_keep_other_addresses_out(api: ApiProcess) -> None:
    assert gets_in(api, "alice", ATTACKER)
    names = [f"name-{number}" for number in range(2000)]
    with Flood(api, names, ATTACKER) as flood:
        assert gets_in(api, "bob")
        # Who is known stays so, even where the flood comes from.
        assert gets_in(api, "alice", ATTACKER)

    # Ten names, five times each, and what its time allows.
    assert flood.answers[401] <= 80


def test_guesses_are_refused_with_a_time_to_retry(
    api: ApiProcess,
) -> None:
    answers = [log_in(api, "alice", f"guess-{number}") for number in range(20)]

    statuses = [status for status, _ in answers]
    assert statuses[:5] == [401] * 5
    assert statuses.count(401) < 10  # the pauses before the tenth take 15 seconds
    assert all(after for status, after in answers if status == 429)
    eventually(lambda: int(log_in(api, "alice", "x")[1] or 0) >= 4, every=0.2)
    # Also the right one is not tried before.
    assert log_in(api, "alice", "alice")[0] == 429


def test_an_unknown_name_gets_the_same_responses_as_a_known_one(
    api: ApiProcess,
) -> None:
    answers = [
        [log_in(api, name, "x", source)[0] for _ in range(8)]
        for name, source in (("bob", "127.0.0.3"), ("nobody", "127.0.0.4"))
    ]

    assert answers[0] == answers[1]
