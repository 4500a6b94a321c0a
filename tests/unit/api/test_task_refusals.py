"""Each rule of a TES body is reported with its path and message."""

from typing import Any

import pytest

from builders.bodies import WITH_FILE, executor, inputs, outputs, problems, resources
from builders.tasks import make_task_json
from tesk_api.http.task_parsing import TaskParser

FORMS = (
    "file:///path or /path, s3://bucket/key, http://host/path, https://host/path, "
    "ftp://host/path"
)
CURE = "give an absolute path or a url such as s3://bucket/key or file:///path"
RUNTIME_OWNS = (
    "must not be under /proc, /sys, /dev (but /dev/shm) or "
    "/var/run/secrets/kubernetes.io, which belong to the container runtime"
)
IN_THE_WAY = "needs a directory where inputs[2].path '/a/b' is a file"

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
    "an input without source": (
        inputs({"path": "/a"}),
        ["inputs[0].url: is required, unless content is given"],
    ),
    "an input without path": (
        inputs({"url": "s3://b/k"}),
        ["inputs[0].path: is required"],
    ),
    "an input with an empty url": (
        inputs({"path": "/a", "url": ""}),
        ["inputs[0].url: is required, unless content is given"],
    ),
    "content for a directory": (
        inputs({"path": "/a", "content": "x", "type": "DIRECTORY"}),
        ["inputs[0].content: must not be given for a DIRECTORY"],
    ),
    "empty content alone for a directory": (
        inputs({"path": "/a", "content": "", "type": "DIRECTORY"}),
        ["inputs[0].content: must not be given for a DIRECTORY"],
    ),
    "a type in lower case": (
        inputs({"path": "/a", "url": "/x", "type": "file"}),
        ["inputs[0].type: must be FILE or DIRECTORY"],
    ),
    "a relative url": (
        inputs({"path": "/a", "url": "data/x"}),
        [f"inputs[0].url: is neither a url nor an absolute path; {CURE}"],
    ),
    "a url of a bucket only by word": (
        inputs({"path": "/a", "url": "s3:bucket"}),
        ['inputs[0].url: must start with "s3://"'],
    ),
    "an unknown scheme": (
        inputs({"path": "/a", "url": "gopher://h/x"}),
        [
            (
                'inputs[0].url: scheme "gopher" is not offered for inputs; offered are '
                f"{FORMS}"
            )
        ],
    ),
    "an output to a scheme that no filer writes": (
        outputs(url="gs://bucket/key"),
        [
            (
                'outputs[0].url: scheme "gs" is not offered for outputs; offered are '
                f"{FORMS}"
            )
        ],
    ),
    "a directory of a scheme without listings": (
        inputs({"path": "/a", "url": "http://h/a", "type": "DIRECTORY"}),
        [
            (
                'inputs[0].url: scheme "http" is not offered for inputs of type DIRECTORY; '
                "offered are file:///path or /path, s3://bucket/key, ftp://host/path"
            )
        ],
    ),
    "a password that ends the host": (
        inputs({"path": "/a", "url": "http://u:p?w@host/a"}),
        ["inputs[0].url: names no valid host"],
    ),
    "a login in a url of S3": (
        outputs(url="s3://key:secret@bucket/a"),
        [
            (
                "outputs[0].url: must not hold credentials; set them for the filer "
                "(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
            )
        ],
    ),
    "a file output to a bucket": (
        outputs(url="s3://bucket"),
        ['outputs[0].url: must not end in "/": it names a file'],
    ),
    "a file output to a folder with a query": (
        outputs(url="https://h/a/?sig=x"),
        ['outputs[0].url: must not end in "/": it names a file'],
    ),
    "a file url with a host": (
        inputs({"path": "/a", "url": "file://data/x"}),
        [
            (
                "inputs[0].url: names a host; a file url is written file:///path, with "
                "three slashes"
            )
        ],
    ),
    "a url with a line feed": (
        inputs({"path": "/a", "url": "s3://b/a\nb"}),
        ["inputs[0].url: must not contain control characters"],
    ),
    "a url with NUL": (
        inputs({"path": "/a", "url": "s3://b/a\0"}),
        ["inputs[0].url: must not contain NUL"],
    ),
    "two files with one path": (
        inputs({"path": "/a/b", "url": "/x"}, {"path": "/a//b", "url": "/y"}),
        ["inputs[1].path: is also the path of inputs[0]"],
    ),
    "a file and a directory with one path": (
        inputs(
            {"path": "/a", "url": "/x"},
            {"path": "/a/", "url": "/y", "type": "DIRECTORY"},
        ),
        ["inputs[1].path: is also the path of inputs[0]"],
    ),
    "inputs below a file": (
        inputs(
            {"path": "/a/b/c", "url": "/x"},
            {"path": "/a/", "url": "/y", "type": "DIRECTORY"},
            {"path": "/a//b", "content": ""},
            {"path": "/a/b/d/e", "url": "/y", "type": "DIRECTORY"},
        ),
        [
            f"inputs[0].path: '/a/b/c' {IN_THE_WAY}",
            f"inputs[3].path: '/a/b/d/e' {IN_THE_WAY}",
        ],
    ),
    "outputs below a file": (
        WITH_FILE
        | {
            "outputs": [
                {"path": "/a/b/c", "url": "/x"},
                {"path": "/a/b/d/*.txt", "url": "/x", "path_prefix": "/a"},
                {"path": "/a/b/c/d", "url": "/y", "type": "DIRECTORY"},
            ]
        },
        [
            f"outputs[0].path: '/a/b/c' {IN_THE_WAY}",
            f"outputs[1].path: '/a/b/d/*.txt' {IN_THE_WAY}",
            f"outputs[2].path: '/a/b/c/d' {IN_THE_WAY}",
        ],
    ),
    "directories and streams where a file is": (
        WITH_FILE
        | {"volumes": ["/v", "/a/b/"]}
        | executor(workdir="/a/b", stdin="/a/b/i", stdout="/a/b/o", stderr="/a/b/e"),
        [
            f"executors[0].workdir: '/a/b' {IN_THE_WAY}",
            f"executors[0].stdin: '/a/b/i' {IN_THE_WAY}",
            f"executors[0].stdout: '/a/b/o' {IN_THE_WAY}",
            f"executors[0].stderr: '/a/b/e' {IN_THE_WAY}",
            f"volumes[1]: '/a/b/' {IN_THE_WAY}",
        ],
    ),
    "a path below a file beside other problems": (
        WITH_FILE | {"volumes": ["v", "/a/b/c", 1], "name": 1},
        [
            "name: must be a string",
            "volumes[0]: must be an absolute path",
            "volumes[2]: must be a string",
            f"volumes[1]: '/a/b/c' {IN_THE_WAY}",
        ],
    ),
    "a path twice beside other problems": (
        inputs({"path": "/a", "url": "/x"}, {"path": "b"}, {"path": "/a", "url": "/y"})
        | {"executors": []},
        [
            "executors: must have at least one item",
            "inputs[1].path: must be an absolute path",
            "inputs[1].url: is required, unless content is given",
            "inputs[2].path: is also the path of inputs[0]",
        ],
    ),
    "a file output with a url that ends in a slash": (
        outputs(url="s3://b/k/"),
        ['outputs[0].url: must not end in "/": it names a file'],
    ),
    "a path deeper than any tree": (
        outputs(path="/a" * 101),
        ["outputs[0].path: must not be deeper than 100 directories"],
    ),
    "an output without url": (
        make_task_json(outputs=[{"path": "/a"}]),
        ["outputs[0].url: is required"],
    ),
    "wildcards without prefix": (
        outputs(path="/o/*.txt"),
        ["outputs[0].path_prefix: is required, because path has wildcards"],
    ),
    "a prefix that does not lead": (
        outputs(path="/o/*.txt", path_prefix="/work"),
        ["outputs[0].path_prefix: must be a leading part of path"],
    ),
    "a prefix with wildcards": (
        outputs(path="/o/*/a?", path_prefix="/o/*"),
        ["outputs[0].path_prefix: must end before the first wildcard of path"],
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
    "further problems beside a wrong path": (
        make_task_json(
            inputs=[{"path": "a"}, {"path": "b", "url": "s3://k/x"}],
            outputs=[{"path": "c", "url": "nowhere"}],
        ),
        [
            "inputs[0].path: must be an absolute path",
            "inputs[1].path: must be an absolute path",
            "outputs[0].path: must be an absolute path",
            "inputs[0].url: is required, unless content is given",
            (
                "outputs[0].url: is neither a url nor an absolute path; give an absolute"
                " path or a url such as s3://bucket/key or file:///path"
            ),
        ],
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
