"""What the network policies of the chart let through."""

from typing import Any

import pytest

from charts.rendering import (
    NAMESPACE,
    kinds,
    needs_helm,
    pod_templates,
    render,
)
from charts.values import SETS

pytestmark = needs_helm


def policies(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the spec of the NetworkPolicy of each component."""
    return {
        each["metadata"]["labels"]["app.kubernetes.io/component"]: each["spec"]
        for each in kinds(render(values), "NetworkPolicy")
    }


def blocks(spec: dict[str, Any]) -> dict[str, list[str]]:
    """Return the networks that a policy lets out to, with their exceptions."""
    return {
        peer["ipBlock"]["cidr"]: peer["ipBlock"].get("except", [])
        for rule in spec.get("egress", ())
        for peer in rule.get("to", ())
        if "ipBlock" in peer
    }


def test_every_pod_of_ours_has_a_policy_for_both_directions() -> None:
    found = policies({})
    assert set(found) == {"api", "scheduler", "taskmaster", "filer", "executor", "pod"}
    for spec in found.values():
        assert spec["policyTypes"] == ["Ingress", "Egress"]


def test_taskmasters_and_the_pods_of_tasks_cannot_be_reached() -> None:
    found = policies({})
    for component in ("taskmaster", "filer", "executor", "pod"):
        assert "ingress" not in found[component]


def test_the_scheduler_is_reached_by_those_with_the_access_label() -> None:
    rule = policies({"taskNamespaces": ["tasks-a"]})["scheduler"]["ingress"][0]
    assert rule["ports"] == [{"port": 7070}]
    assert {
        peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for peer in rule["from"]
    } == {NAMESPACE, "tasks-a"}
    for peer in rule["from"]:
        assert peer["podSelector"]["matchLabels"] == {
            "tesk/access-scheduler": "true",
            "app.kubernetes.io/instance": "tesk",
        }
    holders = {
        component
        for component, template in pod_templates(render({})).items()
        if "tesk/access-scheduler" in template["metadata"].get("labels", {})
    }
    assert holders == {"api", "taskmaster", "filer"}


@pytest.mark.parametrize("component", ["filer", "executor"])
def test_filers_and_executors_reach_the_internet_but_nothing_private(
    component: str,
) -> None:
    reached = blocks(policies({})[component])
    assert set(reached) == {"0.0.0.0/0", "::/0"}
    assert set(reached["0.0.0.0/0"]) == {
        *("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.168.0.0/16"),
    }
    assert set(reached["::/0"]) == {"fc00::/7", "fe80::/10"}


@pytest.mark.parametrize(
    ("section", "component"), [("filer", "filer"), ("executors", "executor")]
)
def test_private_networks_are_opened_without_the_metadata_service(
    section: str, component: str
) -> None:
    opened = {"networkPolicy": {section: {"private": True, "internet": False}}}
    assert set(blocks(policies(opened)[component])) == {
        *("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16"),
        "fc00::/7",
    }


def test_filers_can_be_kept_to_some_ports_and_still_reach_the_metadata_service() -> (
    None
):
    opened = {"ports": [22, 443], "private": True, "metadata": True}

    rules = policies({"networkPolicy": {"filer": opened}})["filer"]["egress"]

    networks = {
        peer["ipBlock"]["cidr"]: rule.get("ports")
        for rule in rules
        for peer in rule.get("to", ())
        if "ipBlock" in peer
    }
    assert networks["0.0.0.0/0"] == [{"port": 22}, {"port": 443}]
    assert networks["10.0.0.0/8"] == [{"port": 22}, {"port": 443}]
    assert networks["169.254.169.254/32"] is None


def test_executors_can_be_cut_off_from_everything() -> None:
    closed = {"networkPolicy": {"executors": {"internet": False, "dns": False}}}
    spec = policies(closed)["executor"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in spec


def test_a_pod_of_all_steps_reaches_what_each_of_them_does() -> None:
    found = policies(SETS["one-pod"])

    rules = [*found["filer"]["egress"], *found["executor"]["egress"]]
    assert found["pod"]["egress"] == rules


def test_the_scheduler_reaches_receivers_of_webhooks_only_where_there_are_some() -> (
    None
):
    without = policies({})["scheduler"]
    values = {
        "webhooks": {"existingSecret": "hooks"},
        "networkPolicy": {"scheduler": {"webhooks": {"ports": [443, 8443]}}},
    }

    opened = policies(values)["scheduler"]

    more = [each for each in opened["egress"] if each not in without["egress"]]
    assert [each["ports"] for each in more] == [[{"port": 443}, {"port": 8443}]]
    (rule,) = more
    reached = {peer["ipBlock"]["cidr"]: peer["ipBlock"] for peer in rule["to"]}
    assert set(reached) == {"0.0.0.0/0", "::/0"}
    assert "169.254.0.0/16" in reached["0.0.0.0/0"]["except"]
