"""Parsing returns a task or an error that names the problem, whatever is sent."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from builders.tasks import make_task_json
from tesk_api.http.task_parsing import TaskParser
from tesk_model.errors import InvalidRequestError
from tesk_runtime.rpc.wire import task_to_wire

FIELDS = (
    *("executors", "inputs", "outputs", "resources", "volumes", "tags", "name"),
    *("image", "command", "env", "workdir", "stdin", "path", "url", "content"),
    *("type", "path_prefix", "cpu_cores", "ram_gb", "backend_parameters", "zones"),
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text()
    | st.sampled_from(["/a", "/a/*", "FILE", "s3://b/k", "\0", "/", "..", ""])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(FIELDS) | st.text(), inner, max_size=6)
    ),
    max_leaves=20,
)


def parse(body: bytes) -> None:
    """Parse; any error but InvalidRequestError fails the test."""
    try:
        new = TaskParser(backend_parameters={"VmSize": ()}).parse(body)
    except InvalidRequestError as error:
        violations = error.violations
    else:
        task_to_wire(new.task).SerializeToString()
        return
    assert violations


@settings(max_examples=300, derandomize=True, deadline=None)
@given(body=st.binary())
def test_parse_survives_any_bytes(body: bytes) -> None:
    parse(body)


@settings(max_examples=600, derandomize=True, deadline=None)
@given(document=JSON)
def test_parse_survives_any_json(document: Any) -> None:
    parse(json.dumps(document).encode("utf-8", "surrogatepass"))


@settings(max_examples=600, derandomize=True, deadline=None)
@given(field=st.sampled_from(FIELDS[:7]), value=JSON)
def test_parse_survives_any_value_of_a_field(field: str, value: Any) -> None:
    parse(json.dumps(make_task_json(**{field: value})).encode())


@settings(max_examples=300, derandomize=True, deadline=None)
@given(place=st.integers(0, 400), byte=st.integers(0, 255))
def test_parse_survives_any_byte_in_a_valid_task(place: int, byte: int) -> None:
    body = bytearray(
        json.dumps(
            make_task_json(
                inputs=[{"path": "/a", "content": "ä\\u0000"}],
                outputs=[{"path": "/o/*", "path_prefix": "/o", "url": "s3://b/k"}],
                resources={"cpu_cores": 1.5, "backend_parameters": {"a": "b"}},
            )
        ).encode()
    )
    body[place % len(body)] = byte

    parse(bytes(body))
