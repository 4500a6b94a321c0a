"""What the chart changes for tasks that may run as one pod."""

import pytest

from charts.rendering import needs_helm, pod_templates, render
from charts.values import SETS
from tesk_taskmaster.adapters.kubernetes.manifests.merged_template import (
    merge_templates,
)

pytestmark = needs_helm


@pytest.mark.parametrize("layout", ["jobs", "auto"])
def test_filers_have_an_account_of_their_own_unless_they_may_share_a_pod(
    layout: str,
) -> None:
    filer = pod_templates(render({"taskmaster": {"layout": layout}}))["filer"]

    own = {"jobs": "tesk-filer", "auto": None}[layout]
    assert filer["spec"].get("serviceAccountName") == own


@pytest.mark.parametrize("name", ["one-pod", "defaults"])
def test_the_templates_of_the_chart_can_share_a_pod(name: str) -> None:
    values = {**SETS[name], "taskmaster": {"layout": "pod"}}
    templates = pod_templates(render(values))

    merged = merge_templates(templates["executor"], templates["filer"])

    assert merged.pod["spec"]["volumes"]


def test_no_layouts_that_tasks_may_ask_for_can_be_written_as_null() -> None:
    assert render({"taskmaster": {"layoutsAllowed": None}}) == render({})
