"""What would come of tasks, by real processes of all services."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from builders.tasks import make_task_json
from programs.stack import Stack, running_stack
from programs.waiting import eventually
from servers.http import HttpFiles, http_server

SERVICES = ("scheduler", "api", "storage checks")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    environ = {
        "TESK_QUOTA_USERS": "{'*': {running: 1}}",
        "TESK_FILER_CHECK_TIMEOUT": "30",
    }
    with running_stack(
        tmp_path_factory.mktemp("stack"), environ=environ, services=SERVICES
    ) as running:
        yield running


@pytest.fixture
def web() -> Iterator[HttpFiles]:
    with http_server() as server:
        server.files["/a"] = b"12345"
        yield server


def check(stack: Stack, **fields: Any) -> Any:
    answer = httpx.post(
        f"{stack.url}/tesk/v1/tasks:check", json=make_task_json(**fields), timeout=90
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def looked(stack: Stack, **fields: Any) -> Any:
    """Check a task; the service of storages may still be starting."""
    found: list[Any] = []

    def is_looked_at() -> bool:
        found.append(check(stack, **fields))
        return bool(found[-1]["storage"]["checked"])

    eventually(is_looked_at, what="storage checks")
    return found[-1]


def test_inputs_and_outputs_are_looked_at_and_nothing_is_created(
    stack: Stack, web: HttpFiles
) -> None:
    found = looked(
        stack,
        inputs=[
            {"path": "/in/a", "url": f"{web.url}/a"},
            {"path": "/in/b", "url": f"{web.url}/missing"},
        ],
        outputs=[{"path": "/out/o", "url": f"file://{stack.files}/o"}],
    )

    assert found["accepted"]
    assert not found["would_run"]
    there, missing = found["inputs"]
    assert (there["verdict"], there["size_bytes"]) == ("ok", "5")
    assert missing["verdict"] == "failed"
    assert [each["verdict"] for each in found["outputs"]] == ["ok"]
    [error] = [each for each in found["findings"] if each["severity"] == "error"]
    assert error["path"] == "inputs[1].url"
    assert list(stack.files.iterdir()) == []
    assert httpx.get(f"{stack.url}/ga4gh/tes/v1/tasks").json()["tasks"] == []


def test_a_task_that_is_told_to_run_runs(stack: Stack, web: HttpFiles) -> None:
    fields: dict[str, Any] = {
        "inputs": [{"path": "/in/a", "url": f"{web.url}/a"}],
        "outputs": [{"path": "/out/o", "url": f"file://{stack.files}/o"}],
        "executors": [{"image": "busybox", "command": ["cp", "/in/a", "/out/o"]}],
    }

    assert looked(stack, **fields)["would_run"]

    created = httpx.post(
        f"{stack.url}/ga4gh/tes/v1/tasks", json=make_task_json(**fields)
    )
    url = f"{stack.url}/ga4gh/tes/v1/tasks/{created.json()['id']}"
    eventually(lambda: httpx.get(url).json()["state"] == "COMPLETE")
    assert (stack.files / "o").read_bytes() == b"12345"


def test_more_than_the_machine_has_is_refused(stack: Stack) -> None:
    found = check(stack, resources={"cpu_cores": 100_000})

    assert not found["accepted"]
    assert found["findings"][0]["path"] == "resources.cpu_cores"


def test_storages_that_nobody_looks_at_are_told_to_be_so(
    stack: Stack, web: HttpFiles
) -> None:
    stack.kill("storage checks")
    try:
        found = check(stack, inputs=[{"path": "/in/a", "url": f"{web.url}/a"}])
    finally:
        stack.start("storage checks")

    assert found["storage"]["checked"] is False
    assert "does not answer" in found["storage"]["reason"]
    assert found["would_run"]
    assert "inputs" not in found
