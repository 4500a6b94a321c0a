"""Bodies as workflow engines send them are accepted."""

import json
from typing import Any

import msgspec
import pytest

from builders.tasks import make_task_json
from tesk.v1 import task_pb2 as pb
from tesk_api.domain.requests import NewTask
from tesk_api.http.task_parsing import TaskParser
from tesk_api.http.views import TaskViews
from tesk_model.task import TaskView
from tesk_runtime.rpc.wire import task_to_wire

NEXTFLOW: dict[str, Any] = {
    "name": "NF:PROC (1)",
    "inputs": [
        {"path": "/work/.command.sh", "url": "/nf/wd/.command.sh", "type": "FILE"},
        {"path": "/work/.command.run", "url": "/nf/wd/.command.run", "type": "FILE"},
        {"path": "/usr/local/bin/tool.py", "url": "s3://b/bin/tool.py", "type": "FILE"},
    ],
    "outputs": [
        {"path": "/work/.command.out", "url": "/nf/wd/.command.out"},
        {"path": "/work/.exitcode", "url": "s3://c/wd/.exitcode"},
        {"path": "/work/a[1].txt", "url": "/nf/wd/a[1].txt", "type": "FILE"},
        {
            "path": "/work/*.txt",
            "path_prefix": "/work",
            "url": "/nf/wd",
            "type": "FILE",
        },
    ],
    "executors": [
        {
            "image": "quay.io/a/b@sha256:0123",
            "command": ["bash", "-o", "pipefail", "-c", "bash /work/.command.run"],
            "workdir": "/work",
        }
    ],
    "resources": {"cpu_cores": 2, "backend_parameters_strict": False},
}
EXECUTION = "/cromwell-executions/w/1/call-a/execution"
CROMWELL: dict[str, Any] = {
    "name": "w.a",
    "description": "w:1",
    "inputs": [
        {"path": f"{EXECUTION}/script", "url": f"{EXECUTION}/script", "type": "FILE"}
    ],
    "outputs": [
        {"path": f"{EXECUTION}/{name}", "url": f"/x/{name}", "type": kind}
        for name, kind in (
            ("rc", "FILE"),
            ("script", "FILE"),
            ("glob-1/", "DIRECTORY"),
        )
    ],
    "resources": {"backend_parameters": {"internal_path_prefix": "/x", "a": None}},
    "executors": [
        {
            "image": "host:5000/a/b:v1",
            "command": ["/bin/bash", f"{EXECUTION}/script"],
            "stdout": f"{EXECUTION}/stdout",
            "stderr": f"{EXECUTION}/stderr",
        }
    ],
    "tags": {"workflow_id": "1", "parent_workflow_id": None},
}
GALAXY_NULLS = dict.fromkeys(("workdir", "stdin", "stdout", "stderr", "env"))
GALAXY: dict[str, Any] = {
    **dict.fromkeys(("id", "state", "name", "description", "tags", "logs")),
    "creation_time": None,
    "inputs": [
        {"path": "/v/a", "url": "http://h/a", "type": "FILE"}
        | dict.fromkeys(("name", "description", "content", "streamable"))
    ],
    "outputs": [
        {"path": "/v/o", "url": "http://h/o", "type": "FILE"}
        | dict.fromkeys(("name", "description", "path_prefix"))
    ],
    "resources": dict.fromkeys(
        (
            *("cpu_cores", "ram_gb", "disk_gb", "preemptible", "zones"),
            *("backend_parameters", "backend_parameters_strict"),
        )
    ),
    "executors": [
        GALAXY_NULLS
        | {
            "image": "pulsar",
            "command": ["pulsar-submit", "--base64", "a" * 100_000],
            "workdir": "/",
            "ignore_error": None,
        }
    ],
    "volumes": ["/v"],
}
TOIL: dict[str, Any] = {
    "name": "'hello' kind-hello/instance-x v1",
    "inputs": [{"path": "/s", "url": "file:///data/store", "type": "DIRECTORY"}],
    "executors": [
        {
            "image": "ubuntu",
            "command": ["_toil_worker", "hello"],
            "env": {"TOIL_WORKDIR": "/tmp", "LINES": "a\nä", "EMPTY": ""},
        }
    ],
    "resources": {"cpu_cores": 1, "ram_gb": 2.0, "disk_gb": 0.0, "preemptible": False},
}
CWL: dict[str, Any] = {
    "inputs": [
        {"path": "/var/lib/cwl/stg1/f", "url": "file:///data/f", "type": "FILE"},
        {"path": "/var/lib/cwl/stg2/e", "content": "", "type": "FILE"},
    ],
    "outputs": [
        {"path": "/xIjTHY/out.txt", "url": "file:///o/out.txt", "type": "FILE"},
        {"path": "/xIjTHY", "url": "file:///o/", "type": "DIRECTORY"},
    ],
    "executors": [
        {
            "image": "alpine",
            "command": ["md5sum"],
            "workdir": "/xIjTHY",
            "stdout": "/xIjTHY/out.txt",
            "env": {"HOME": "/xIjTHY", "TMPDIR": "/tmp"},
        }
    ],
    "tags": {"CWLDocumentId": "file:///w.cwl"},
}
SNAKEMAKE: dict[str, Any] = {
    "inputs": [{"path": "/tmp/run_snakemake.sh", "content": "#!/bin/bash\nKEY='s'\n"}],
    "executors": [
        {
            "image": "snakemake/snakemake",
            "command": ["/bin/bash", "/tmp/run_snakemake.sh"],
            "workdir": "/tmp",
        }
    ],
}
UNSUPPORTED = ("unsupported backend_parameters ignored: internal_path_prefix",)
CLIENTS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "Nextflow": (NEXTFLOW, ()),
    "Cromwell": (CROMWELL, UNSUPPORTED),
    "Galaxy": (GALAXY, ()),
    "Toil": (TOIL, ()),
    "cwl-tes": (CWL, ()),
    "Snakemake": (SNAKEMAKE, ()),
}


def parsed(body: dict[str, Any]) -> NewTask:
    return TaskParser(backend_parameters={"VmSize": ()}).parse(
        json.dumps(body).encode()
    )


def shown(task: pb.Task) -> Any:
    return json.loads(
        msgspec.json.encode(TaskViews().renderer(TaskView.FULL)(task)).decode()
    )


def without_nulls(document: Any) -> Any:
    if isinstance(document, dict):
        return {
            key: without_nulls(value)
            for key, value in document.items()
            if value is not None
        }
    if isinstance(document, list):
        return [without_nulls(entry) for entry in document]
    return document


@pytest.mark.parametrize(("body", "want"), CLIENTS.values(), ids=CLIENTS)
def test_the_body_of_an_engine_is_accepted(
    body: dict[str, Any], want: tuple[str, ...]
) -> None:
    assert parsed(body).warnings == want


@pytest.mark.parametrize(("body", "_"), CLIENTS.values(), ids=CLIENTS)
def test_an_engine_gets_its_body_back_with_types_and_without_nulls(
    body: dict[str, Any], _: object
) -> None:
    want = without_nulls(body)
    for entry in (*want.get("inputs", ()), *want.get("outputs", ())):
        entry.setdefault("type", "FILE")
    # What is not supported is not returned.
    want.get("resources", {}).pop("backend_parameters", None)

    document = shown(task_to_wire(parsed(body).task))

    assert {key: document[key] for key in want} == want
    assert set(document) == set(want)


def test_a_backend_parameter_that_is_null_is_absent() -> None:
    resources = {"backend_parameters": {"x": None}, "backend_parameters_strict": True}

    new = parsed(make_task_json(resources=resources))

    assert new.warnings == ()
    assert new.task.resources is not None
    assert new.task.resources.backend_parameters == {}
