"""Every scenario, on every engine of this machine, by real processes."""

from pathlib import Path
from urllib.parse import quote

import pytest

from programs.stack import Stack
from programs.waiting import eventually
from scenarios import executors, files, images, references
from scenarios.scenario import Scenario

SCENARIOS: dict[str, Scenario] = {
    **executors.SCENARIOS,
    **files.SCENARIOS,
    **images.SCENARIOS,
    **references.SCENARIOS,
}


class Folder:
    """Storage of a scenario: a folder, by file:// urls."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def url(self, name: str) -> str:
        """Return a file:// url."""
        return f"file://{quote(str(self._root / name))}" + "/" * name.endswith("/")

    def put(self, name: str, data: bytes) -> str:
        """Write a file and return its url."""
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return self.url(name)

    def get(self, name: str) -> bytes | None:
        """Read a file."""
        path = self._root / name
        return path.read_bytes() if path.is_file() else None

    def names(self) -> list[str]:
        """List files, however deep."""
        return sorted(
            str(path.relative_to(self._root))
            for path in self._root.rglob("*")
            if path.is_file()
        )


def test_references_are_listed_and_others_refused(shared_stack: Stack) -> None:
    info = shared_stack.client.get("/service-info").json()
    body = {
        "executors": [{"image": "busybox", "command": ["true"]}],
        "inputs": [{"path": "/a", "url": "ref://nobody/x"}],
    }

    refused = shared_stack.client.post("/tasks", json=body)

    assert f"ref://{references.NAME}/" in info["storage"]
    assert refused.status_code == 400
    assert refused.json()["errors"] == [
        {
            "path": "inputs[0].url",
            "message": 'names the reference "nobody", which is not here; there are '
            f"{references.NAME}",
        }
    ]


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_scenario(
    scenario: Scenario, shared_stack: Stack, request: pytest.FixtureRequest
) -> None:
    if scenario.needs_images:
        if shared_stack.engine == "sandbox":
            pytest.skip(scenario.needs_images)
        request.getfixturevalue("own_images")
    root = shared_stack.files / str(abs(hash(request.node.name)))
    root.mkdir()
    storage = Folder(root)

    task = shared_stack.run(scenario.body(storage))

    assert task["state"] == scenario.state, task
    scenario.check(task, storage)
    eventually(lambda: not shared_stack.leftovers(), what="an empty tasks folder")
