"""Valid bodies of tasks, and their warnings."""

import json
from typing import Any

import pytest

from builders.bodies import WITH_FILE, executor, inputs, outputs, problems, resources
from builders.tasks import make_task_json
from tesk_api.http.task_parsing import TaskParser
from tesk_model.task import FileType, Resources

ACCEPTED: dict[str, dict[str, Any]] = {
    "every optional field null": make_task_json(
        **dict.fromkeys(
            (
                *("id", "state", "name", "description", "inputs", "outputs"),
                *("resources", "volumes", "tags", "logs", "creation_time"),
            )
        )
    ),
    "server fields of any kind": make_task_json(
        id={"a": [1]}, state=5, logs="x", creation_time=[]
    ),
    "workdir / (Galaxy)": executor(workdir="/"),
    "empty and many-line arguments": executor(command=["a", "", "b\nc", "ä$(HOME)"]),
    "a null among variables and tags": executor(env={"A": None, "B": ""})
    | {"tags": {"parent_workflow_id": None}},
    "content with NUL": inputs({"path": "/a", "content": "a\0b"}),
    "content wins over a senseless url": inputs(
        {"path": "/a", "content": "x", "url": "nonsense"}
    ),
    "an empty file": inputs({"path": "/a", "content": ""}),
    "empty content beside a url": inputs({"path": "/a", "content": "", "url": "/x"}),
    "a directory with a trailing slash": inputs(
        {"path": "/a/", "url": "s3://b/k/", "type": "DIRECTORY"}
    ),
    "two directories with one path": inputs(
        {"path": "/a", "url": "/x", "type": "DIRECTORY"},
        {"path": "/a/", "url": "/y", "type": "DIRECTORY"},
    ),
    "an input below a directory": inputs(
        {"path": "/a", "url": "/x", "type": "DIRECTORY"}, {"path": "/a/b", "url": "/y"}
    ),
    "inputs below a volume": inputs({"path": "/vol/in/a", "url": "/x"})
    | {"volumes": ["/vol", "/vol/in"]},
    "an output below a directory that is an output": make_task_json(
        outputs=[
            {"path": "/o", "url": "/x/", "type": "DIRECTORY"},
            {"path": "/o/a", "url": "/x/a"},
        ]
    ),
    "an input that is an output, and a stream": WITH_FILE
    | {"outputs": [{"path": "/a/b", "url": "/x"}]}
    | executor(stdin="/a/b", stdout="/a/b", workdir="/a"),
    "a name that only begins like a file": WITH_FILE
    | {"outputs": [{"path": "/a/bc/d", "url": "/x"}]},
    "a pattern beside a file whose name has a wildcard": inputs(
        {"path": "/a/*", "url": "/x"}
    )
    | {"outputs": [{"path": "/a/*/b", "url": "/x", "path_prefix": "/a"}]},
    "a plain path and an unknown bucket": inputs(
        {"path": "/a", "url": "/data/x y"},
        {"path": "/b", "url": "s3://my-object-store/ä b"},
    ),
    "one output path to two urls": make_task_json(
        outputs=[{"path": "/o", "url": "/x"}, {"path": "/o", "url": "/y"}]
    ),
    "wildcards with prefix": outputs(path="/o/*.txt", path_prefix="/o"),
    "a bracket without prefix is literal": outputs(path="/o/a[1].txt"),
    "a senseless prefix without wildcards": outputs(path_prefix="nonsense"),
    "names with blanks, colons and unicode": outputs(path="/o/a b:c,ä"),
    "shared memory": make_task_json(volumes=["/dev/shm/x", "/vol/A/"]),
    "fractional cores and no disk": resources(cpu_cores=0.5, ram_gb=1.5, disk_gb=0.0),
    "the parameter of Cromwell": resources(
        backend_parameters={"internal_path_prefix": "/x"}
    ),
    "a supported parameter in another case": resources(
        backend_parameters={"VMSIZE": "a"}, backend_parameters_strict=True
    ),
    "an emoji by its surrogate pair": make_task_json(name="\U0001f600"),
}


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED)
def test_parse_accepts_what_clients_send(body: dict[str, Any]) -> None:
    parser = TaskParser(backend_parameters={"VmSize": ()})

    assert problems(parser, body) == []


def test_parse_keeps_all_fields_as_sent() -> None:
    body = make_task_json(
        name="a",
        inputs=[{"path": "/i", "url": "/x"}],
        tags={"k": "v", "empty": "", "gone": None},
        resources={"cpu_cores": 2},
    )

    new = TaskParser().parse(json.dumps(body).encode())

    assert new.task.tags == {"k": "v", "empty": ""}
    assert new.task.inputs[0].type is FileType.FILE
    assert new.task.inputs[0].streamable is None
    assert new.task.resources == Resources(cpu_cores=2)
    assert new.warnings == ()


def test_parse_warns_of_unknown_fields_and_unsupported_parameters() -> None:
    body = executor(foo=1)
    body |= {"cpuCores": 2, "a\nb": 1}
    body["resources"] = {"ramGb": 1, "backend_parameters": {"x": "1", "VmSize": "a"}}
    parser = TaskParser(backend_parameters={"vmsize": ()})

    new = parser.parse(json.dumps(body).encode())

    assert new.warnings == (
        "unknown fields ignored: executors[0].foo, resources.ramGb, cpuCores, 'a\\nb'",
        "unsupported backend_parameters ignored: x",
    )
    assert new.task.resources == Resources(backend_parameters={"vmsize": "a"})


def test_a_slash_after_a_file_is_ignored_with_a_warning() -> None:
    body = make_task_json(
        inputs=[
            {"path": "/i//", "url": "/x"},
            {"path": "/d/", "url": "/x", "type": "DIRECTORY"},
        ],
        outputs=[
            {"path": "/o/", "url": "/x"},
            {"path": "/o/*/", "url": "/x/", "path_prefix": "/o/"},
            {"path": "/o/*/", "url": "/x", "path_prefix": "/", "type": "DIRECTORY"},
            {"path": "/e/", "url": "/y/", "type": "DIRECTORY"},
            {"path": "/r/", "url": "s3://b/r/"},
        ],
    )

    changed = ("outputs[0]", "outputs[1]", "outputs[2]", "outputs[4]")

    new = TaskParser().parse(json.dumps(body).encode())

    assert [entry.path for entry in new.task.inputs] == ["/i", "/d/"]
    outputs = [(entry.path, entry.url) for entry in new.task.outputs]
    assert outputs == [
        ("/o", "/x"),
        ("/o/*", "/x"),
        ("/o/*", "/x"),
        ("/e/", "/y/"),
        ("/r", "s3://b/r"),
    ]
    assert new.warnings == (
        "ignored the slash at the end of: "
        + ", ".join(f"{field}.path" for field in ("inputs[0]", *changed)),
    )


def test_a_final_slash_does_not_hide_a_conflict() -> None:
    body = inputs({"path": "/a", "url": "/x"}, {"path": "/a/", "url": "/y"})

    assert problems(TaskParser(), body) == [
        "inputs[1].path: is also the path of inputs[0]"
    ]
