"""How many calls to the API server are under way at once."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import urllib3

from servers.api_server import Script, serving
from tesk_kubernetes.api import CONFIG_MAPS, ApiUnavailableError, RefusedError
from tesk_kubernetes.client import RealKubernetesApi
from tesk_kubernetes.connection import Connection
from tesk_kubernetes.transport import Transport

Answer = tuple[int, dict[str, str], str]
FOUND = {"metadata": {"name": "a"}}
ANSWER: Answer = (200, {}, json.dumps(FOUND))
LONG = 30  # seconds that no test takes


def opened(server: str, *, most_calls: int, turn_timeout: float) -> RealKubernetesApi:
    connection = Connection(
        host=server,
        pool=urllib3.PoolManager(retries=False),
        authorization=lambda: "",
        renew=lambda: None,
    )
    transport = Transport(
        connection,
        retry_for=timedelta(0),
        most_calls=most_calls,
        turn_timeout=timedelta(seconds=turn_timeout),
    )
    return RealKubernetesApi(transport)


def test_so_many_are_under_way_and_the_next_one_is_told_that_it_waits() -> None:
    asked, answered = threading.Semaphore(0), threading.Event()

    def hold() -> None:
        asked.release()
        answered.wait(LONG)

    with (
        ThreadPoolExecutor(2) as threads,
        serving(Script([ANSWER], before_answer=hold)) as server,
    ):
        api = opened(server, most_calls=2, turn_timeout=0.05)
        held = [threads.submit(api.get, CONFIG_MAPS, "n", "a") for _ in range(2)]
        assert asked.acquire(timeout=LONG)
        assert asked.acquire(timeout=LONG)

        with pytest.raises(ApiUnavailableError, match=r"is slow: calls before this"):
            api.get(CONFIG_MAPS, "n", "a")

        answered.set()
        assert [each.result() for each in held] == [FOUND, FOUND]
        assert api.get(CONFIG_MAPS, "n", "a") == FOUND


def test_one_that_waits_is_sent_when_another_has_been_answered() -> None:
    script = Script([ANSWER])

    with ThreadPoolExecutor(8) as threads, serving(script) as server:
        api = opened(server, most_calls=1, turn_timeout=LONG)
        found = list(threads.map(lambda _: api.get(CONFIG_MAPS, "n", "a"), range(40)))

    assert found == [FOUND] * 40
    assert len(script.requests) == 40


def test_one_that_fails_leaves_its_turn() -> None:
    refused: Answer = (422, {}, json.dumps({"message": "Invalid value"}))
    script = Script([refused, (503, {}, ""), (200, {}, "<html>"), ANSWER])

    with serving(script) as server:
        api = opened(server, most_calls=1, turn_timeout=0.05)
        with pytest.raises(RefusedError):
            api.get(CONFIG_MAPS, "n", "a")
        for _ in range(2):
            with pytest.raises(ApiUnavailableError):
                api.get(CONFIG_MAPS, "n", "a")

        assert api.get(CONFIG_MAPS, "n", "a") == FOUND


def test_a_log_that_is_read_for_days_takes_no_turn() -> None:
    with serving(Script([ANSWER])) as server:
        api = opened(server, most_calls=1, turn_timeout=0.05)
        with api.logs("n", "pod", container="main", follow=True, tail_lines=-1):
            assert api.get(CONFIG_MAPS, "n", "a") == FOUND
