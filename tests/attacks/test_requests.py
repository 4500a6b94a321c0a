"""Bodies made to be expensive are answered at once and take little memory."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fakes.api_process import ApiProcess, run_api, serve_scheduler
from fakes.api_scheduler import MemoryScheduler
from programs.memory import forget_peak, peak_mib

MIB = 2**20
EXECUTORS = b'"executors":[{"image":"a","command":["b"]}]'


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    folder = tmp_path_factory.mktemp("api")
    address = f"unix:{folder}/scheduler.sock"
    with (
        serve_scheduler(MemoryScheduler(), address),
        run_api(folder, address) as process,
    ):
        yield process


def filled(head: bytes, item: bytes, tail: bytes, size: int) -> bytes:
    count = (size - len(head) - len(tail)) // (len(item) + 1)
    return head + b",".join([item] * count) + tail


def content(text: bytes, size: int) -> bytes:
    head = b'{"inputs":[{"path":"/a","content":"'
    return head + text * ((size - 200) // len(text)) + b'"}],' + EXECUTORS + b"}"


DEAR: dict[str, Callable[[int], bytes]] = {
    "empty executors": lambda size: filled(b'{"executors":[', b"{}", b"]}", size),
    "empty inputs": lambda size: filled(
        b"{" + EXECUTORS + b',"inputs":[', b"{}", b"]}", size
    ),
    "arrays in an unknown field": lambda size: filled(
        b"{" + EXECUTORS + b',"x":[', b"[]", b"]}", size
    ),
    "numbers for arguments": lambda size: filled(
        b'{"executors":[{"image":"a","command":[', b"0", b"]}]}", size
    ),
    "paths of 2,000 directories": lambda size: filled(
        b"{" + EXECUTORS + b',"outputs":[',
        b'{"url":"/x","path":"' + b"/a" * 2000 + b'"}',
        b"]}",
        size,
    ),
}


@pytest.mark.parametrize("make", DEAR.values(), ids=DEAR)
@pytest.mark.parametrize("size", [MIB, 16 * MIB])
def test_an_expensive_body_takes_little_more_memory_than_its_length(
    api: ApiProcess, make: Callable[[int], bytes], size: int
) -> None:
    assert api.request("POST", "/v1/tasks", b"{}")[0] == 400
    body = make(size)
    before = forget_peak(api)

    status, answer = api.request("POST", "/v1/tasks", body)

    assert status == 400
    assert len(json.loads(answer)["errors"]) <= 101
    assert peak_mib(api) - before < 16 + 8 * size / MIB


def post_large_bodies_at_once(api: ApiProcess) -> None:
    bodies = [content(text, 16 * MIB - 100) for text in (b"a", b'\\"', b",")]
    with ThreadPoolExecutor(12) as pool:
        answers = list(
            pool.map(
                lambda number: api.request("POST", "/v1/tasks", bodies[number % 3])[0],
                range(12),
            )
        )
    assert set(answers) <= {200, 429, 503}, answers
    assert 200 in answers


def test_large_bodies_at_once_share_bounded_memory(api: ApiProcess) -> None:
    before = forget_peak(api)

    post_large_bodies_at_once(api)

    # The server holds eight (128 MiB) and copies one that is complete; in work is one,
    # in seven forms. The rest is for blocks that are larger than what is in them.
    # Were all eight in work, it would be 8 * 7.
    assert peak_mib(api) - before < (8 + 1 + 7 + 8) * 16
    assert api.request("GET", "/healthz")[0] == 200


def test_large_bodies_are_released(api: ApiProcess) -> None:
    post_large_bodies_at_once(api)  # what is made once, and kept
    before = forget_peak(api)

    for _ in range(3):
        post_large_bodies_at_once(api)

    assert forget_peak(api) - before < 2 * 16
