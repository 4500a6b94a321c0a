"""A body that is too large is refused before its values are checked."""

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from builders.bodies import executor, inputs, problems, resources
from builders.tasks import make_task_json
from tesk_api.http.json_bodies import MAX_VALUES, parse_json
from tesk_api.http.task_parsing import TaskParser

EXECUTORS = b'"executors":[{"image":"a","command":["b"]}]'
TOO_MANY = [f"the body has more than {MAX_VALUES} values"]


def repeated(field: bytes, item: bytes, count: int) -> bytes:
    return b'{"' + field + b'":[' + b",".join([item] * count) + b"]}"


MANY_VALUES = {
    "objects": repeated(b"executors", b"{}", MAX_VALUES),
    "arrays": repeated(b"x", b"[]", MAX_VALUES),
    "numbers": repeated(b"x", b"0", MAX_VALUES + 1),
    "empty strings": repeated(b"x", b'""', MAX_VALUES + 1),
    "strings of quotes": repeated(b"x", rb'"\\\""', MAX_VALUES + 1),
}


@pytest.mark.parametrize("body", MANY_VALUES.values(), ids=MANY_VALUES)
def test_a_body_with_too_many_values_is_not_parsed(body: bytes) -> None:
    assert problems(TaskParser(), body) == TOO_MANY


def test_separators_within_a_string_are_not_counted_as_values() -> None:
    text = '[{,"\\,]}' * MAX_VALUES

    assert parse_json(json.dumps({"content": text}).encode()) == {"content": text}


TOO_LONG: dict[str, tuple[dict[str, Any], str]] = {
    "inputs": (
        inputs(*[{"path": f"/{n}", "url": "/x"} for n in range(10_001)]),
        "inputs: must have at most 10000 items, not 10001",
    ),
    "executors": (
        make_task_json(executors=[{}] * 1001),
        "executors: must have at most 1000 items, not 1001",
    ),
    "volumes": (
        make_task_json(volumes=["/v"] * 1001),
        "volumes: must have at most 1000 items, not 1001",
    ),
    "tags": (
        make_task_json(tags={f"k{n}": "" for n in range(1001)}),
        "tags: must have at most 1000 items, not 1001",
    ),
    "variables": (
        executor(env={f"V{n}": "" for n in range(1001)}),
        "executors[0].env: must have at most 1000 items, not 1001",
    ),
    "arguments": (
        executor(command=["a"] * 10_001),
        "executors[0].command: must have at most 10000 items, not 10001",
    ),
    "zones": (
        resources(zones=["a"] * 1001),
        "resources.zones: must have at most 1000 items, not 1001",
    ),
    "unknown fields of a task": (
        make_task_json(**{f"f{n}": 0 for n in range(100)}),
        "must have at most 100 fields",
    ),
    "unknown fields of an input": (
        inputs({f"f{n}": 0 for n in range(101)}),
        "inputs[0]: must have at most 100 fields",
    ),
    "a name": (
        make_task_json(name="n" * 65_537),
        "name: must be at most 65536 characters",
    ),
    "a url": (
        inputs({"path": "/a", "url": "/" + "u" * 16_384}),
        "inputs[0].url: must be at most 16384 characters",
    ),
}


@pytest.mark.parametrize(("body", "want"), TOO_LONG.values(), ids=TOO_LONG)
def test_a_body_with_too_many_items_is_refused(body: dict[str, Any], want: str) -> None:
    assert problems(TaskParser(), body) == [want]


def test_a_list_reports_its_first_wrong_item_alone() -> None:
    assert problems(TaskParser(), executor(command=["a", None, 1])) == [
        "executors[0].command[1]: is required"
    ]


def wrong_variables() -> bytes:
    env = {f"V{n}": 0 for n in range(1000)}
    one = {"image": "a", "command": ["b"], "env": env}
    return json.dumps({"executors": [one] * 150}).encode()


WORST: dict[str, Callable[[], bytes]] = {
    "executors without a field": lambda: repeated(b"executors", b"{}", 340_000),
    "numbers for arguments": lambda: json.dumps(
        {"executors": [{"image": "a", "command": [0] * 9999}] * 19}
    ).encode(),
    "numbers for variables": wrong_variables,
    "inputs of which each field is wrong": lambda: repeated(
        b"inputs", b'{"path":1,"url":1,"type":1,"name":1,"streamable":1}', 10_000
    ),
    "invalid names of variables": lambda: json.dumps(
        executor(env={f"={n}": "" for n in range(1000)})
    ).encode(),
}


@pytest.mark.parametrize("make", WORST.values(), ids=WORST)
def test_a_wrong_body_takes_little_memory_beside_its_parsed_form(
    make: Callable[[], bytes],
) -> None:
    body = make()
    parser = TaskParser()
    problems(parser, b"{}")

    tracemalloc.start()
    try:
        found = problems(parser, body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert 0 < len(found) <= 101
    assert peak < 30 * len(body) + 2**20
