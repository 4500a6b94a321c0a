"""Every scenario, on a cluster."""

import pytest

from cluster.ahead import Ahead, chosen_names
from cluster.object_storage import Folder
from cluster.release import Release
from cluster.session import Session
from scenarios import executors, files, images, names, references
from scenarios.scenario import Scenario

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

SCENARIOS: dict[str, Scenario] = {
    **executors.SCENARIOS,
    **files.SCENARIOS,
    **images.SCENARIOS,
    **names.SCENARIOS,
    **references.SCENARIOS,
}
Submitted = Ahead[tuple[str, Folder]]


@pytest.fixture(scope="module")
def tesk(tesk_in_each_layout: Release) -> Release:
    """Run the tests of this module in each layout."""
    return tesk_in_each_layout


@pytest.fixture(scope="module")
def submitted(
    request: pytest.FixtureRequest, session: Session, tesk: Release
) -> Submitted:
    """Each scenario's task and storage."""

    def submit(name: str) -> tuple[str, Folder]:
        number = list(SCENARIOS).index(name)
        storage = session.storage.folder(f"{tesk.namespace}-scenario-{number}")
        return tesk.create(SCENARIOS[name].body(storage)), storage

    return Ahead(chosen_names(request), submit, ahead=5)


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str, submitted: Submitted, tesk: Release) -> None:
    task_id, storage = submitted[name]

    task = tesk.finish(task_id, within=240)

    assert task["state"] == SCENARIOS[name].state, (task, tesk.describe(task_id))
    SCENARIOS[name].check(task, storage)
    tesk.wait_until_clean(task_id)
