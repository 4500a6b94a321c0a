"""Each rule of a TES body is reported with its path and message."""

from typing import Any

import pytest

from builders.bodies import executor, problems, resources
from builders.tasks import make_task_json
from tesk_api.http.task_parsing import TaskParser

RUNTIME_OWNS = (
    "must not be under /proc, /sys, /dev (but /dev/shm) or "
    "/var/run/secrets/kubernetes.io, which belong to the container runtime"
)

REFUSED: dict[str, tuple[Any, list[str]]] = {
    "an array": ([], ["must be an object"]),
    "no executors": ({}, ["executors: is required"]),
    "null executors": ({"executors": None}, ["executors: is required"]),
    "an empty list of executors": (
        {"executors": []},
        ["executors: must have at least one item"],
    ),
    "executors that are not an array": (
        {"executors": {"image": "a"}},
        ["executors: must be an array"],
    ),
    "an executor that is null": (
        {"executors": [None]},
        ["executors[0]: is required"],
    ),
    "no image and no command": (
        {"executors": [{}]},
        ["executors[0].image: is required", "executors[0].command: is required"],
    ),
    "an image with a blank": (
        executor(image="a b"),
        ["executors[0].image: must not be empty or contain blanks"],
    ),
    "an empty image": (
        executor(image=""),
        ["executors[0].image: must not be empty or contain blanks"],
    ),
    "an empty command": (
        executor(command=[]),
        ["executors[0].command: must have at least one item"],
    ),
    "a command as text": (
        executor(command="echo a"),
        ["executors[0].command: must be an array"],
    ),
    "a command of nothing": (
        executor(command=["", "a"]),
        ["executors[0].command[0]: must name a program; it is empty"],
    ),
    "an argument that is null": (
        executor(command=["a", None]),
        ["executors[0].command[1]: is required"],
    ),
    "an argument with NUL": (
        executor(command=["a", "b\0"]),
        ["executors[0].command[1]: must not contain NUL"],
    ),
    "a relative workdir": (
        executor(workdir="work"),
        ["executors[0].workdir: must be an absolute path"],
    ),
    "an empty workdir": (
        executor(workdir=""),
        ["executors[0].workdir: must be an absolute path"],
    ),
    "stdout that is a directory": (
        executor(stdout="/o/"),
        ['executors[0].stdout: must not end in "/": it names a file'],
    ),
    "stdin under /proc": (
        executor(stdin="/proc/self/fd/0"),
        [f"executors[0].stdin: {RUNTIME_OWNS}"],
    ),
    "a variable without name": (
        executor(env={"": "a"}),
        [
            (
                "executors[0].env: is not the name of a variable: "
                'it must not be empty or contain "="'
            )
        ],
    ),
    "a variable with an equals sign": (
        executor(env={"A=B": "a"}),
        [
            (
                "executors[0].env.A=B: is not the name of a variable: "
                'it must not be empty or contain "="'
            )
        ],
    ),
    "a number as value of a variable": (
        executor(env={"A": 1}),
        ["executors[0].env.A: must be a string"],
    ),
    "ignore_error in quotes": (
        executor(ignore_error="true"),
        ["executors[0].ignore_error: must be true or false"],
    ),
    "a name that is a number": (
        make_task_json(name=5),
        ["name: must be a string"],
    ),
    "a name with NUL": (
        make_task_json(name="a\0b"),
        ["name: must not contain NUL"],
    ),
    "a tag that is a number": (
        make_task_json(tags={"a": 1}),
        ["tags.a: must be a string"],
    ),
    "tags as a list": (make_task_json(tags=["a"]), ["tags: must be an object"]),
    "a volume that is the root": (
        make_task_json(volumes=["/"]),
        ['volumes[0]: must not be "/" itself'],
    ),
    "a volume with dots": (
        make_task_json(volumes=["/a/../b"]),
        ['volumes[0]: must not contain ".." segments'],
    ),
    "a number in quotes": (
        resources(cpu_cores="1"),
        ["resources.cpu_cores: must be a number"],
    ),
    "true as a number": (
        resources(cpu_cores=True),
        ["resources.cpu_cores: must be a number"],
    ),
    "nothing and less": (
        resources(cpu_cores=0, ram_gb=0, disk_gb=-1),
        [
            "resources.cpu_cores: must be greater than 0",
            "resources.ram_gb: must be greater than 0",
            "resources.disk_gb: must be at least 0",
        ],
    ),
    "more than an int32": (
        resources(cpu_cores=2**31),
        ["resources.cpu_cores: must be at most 2147483647"],
    ),
    "a number of 400 digits": (
        resources(ram_gb=10**400),
        ["resources.ram_gb: is too large"],
    ),
    "infinity by exponent": (
        b'{"executors":[{"image":"a","command":["b"]}],"resources":{"ram_gb":1e999}}',
        ["resources.ram_gb: must be at most 2147483647"],
    ),
    "zones as text": (resources(zones="a"), ["resources.zones: must be an array"]),
    "a parameter twice but for case": (
        resources(backend_parameters={"VmSize": "a", "vmsize": "b"}),
        ["resources.backend_parameters.vmsize: is given twice; case does not matter"],
    ),
    "an unsupported parameter, strictly": (
        resources(backend_parameters={"foo": "a"}, backend_parameters_strict=True),
        ["resources.backend_parameters.foo: is not supported here (supported: VmSize)"],
    ),
    "an empty body": (b"", ["the body is empty; send a task"]),
    "a key twice": (
        b'{"name":"a","name":"b"}',
        [
            (
                "the body is not valid JSON: "
                'Detected duplicate key "name" at line 1 column 20'
            )
        ],
    ),
}


@pytest.mark.parametrize(("body", "want"), REFUSED.values(), ids=REFUSED)
def test_parse_refuses_and_names_every_problem(body: Any, want: list[str]) -> None:
    parser = TaskParser(backend_parameters={"VmSize": ()})

    assert problems(parser, body) == want


NOT_JSON = {
    "NaN": b'{"executors":NaN}',
    "infinity": b'{"executors":-Infinity}',
    "a lone surrogate": b'{"name":"\\ud800"}',
    "a surrogate pair the wrong way round": b'{"name":"\\udc00\\ud800"}',
    "100,000 nested arrays": b"[" * 100_000,
    "100,000 nested objects": b'{"a":' * 100_000,
    "bytes that are not UTF-8": b'{"name":"\xff"}',
    "a raw control character": b'{"name":"a\nb"}',
    "a comment": b'{"executors":[] // none\n}',
    "a trailing comma": b'{"executors":[],}',
    "two documents": b"{}{}",
    "5,000 digits": b'{"a":' + b"1" * 5000 + b"}",
    "a byte order mark": b"\xef\xbb\xbf{}",
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_parse_refuses_what_is_not_strict_json(body: bytes) -> None:
    (problem,) = problems(TaskParser(), body)

    assert problem.startswith("the body is not valid JSON: ")


def test_parse_refuses_unknown_fields_if_set_so() -> None:
    body = executor(foo=1) | {"cpuCores": 2}

    assert problems(TaskParser(refuse_unknown_fields=True), body) == [
        "cpuCores: is not a field of TES",
        "executors[0].foo: is not a field of TES",
    ]


def test_parse_reports_at_most_a_hundred_problems() -> None:
    found = problems(TaskParser(), make_task_json(volumes=["a"] * 1000))

    assert len(found) == 101
    assert found[-1] == "and more problems"
