"""Every scenario, on a cluster: all at once, then each by itself."""

import pytest

from cluster.object_storage import Folder
from cluster.release import Release
from cluster.session import Session
from scenarios import executors, files, images, references
from scenarios.scenario import Scenario

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

SCENARIOS: dict[str, Scenario] = {
    **executors.SCENARIOS,
    **files.SCENARIOS,
    **images.SCENARIOS,
    **references.SCENARIOS,
}
Submitted = dict[str, tuple[str, Folder]]


@pytest.fixture(scope="module")
def tesk(tesk_in_each_layout: Release) -> Release:
    """Run the tests of this module in each layout."""
    return tesk_in_each_layout


@pytest.fixture(scope="module")
def submitted(
    request: pytest.FixtureRequest, session: Session, tesk: Release
) -> Submitted:
    """Submit all selected scenarios; return each one's task and storage."""
    chosen = {
        item.callspec.params["name"]
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.path == request.path
        and hasattr(item, "callspec")
    }
    tasks: Submitted = {}
    for number, (name, scenario) in enumerate(SCENARIOS.items()):
        if name in chosen:
            storage = session.storage.folder(f"{tesk.namespace}-scenario-{number}")
            tasks[name] = tesk.create(scenario.body(storage)), storage
    return tasks


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str, submitted: Submitted, tesk: Release) -> None:
    task_id, storage = submitted[name]

    task = tesk.finish(task_id, within=240)

    assert task["state"] == SCENARIOS[name].state, (task, tesk.describe(task_id))
    SCENARIOS[name].check(task, storage)
    tesk.wait_until_clean(task_id)
