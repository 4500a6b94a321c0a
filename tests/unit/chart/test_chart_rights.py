"""The rights of the chart in Kubernetes, and who has a token."""

import pytest

from charts.rendering import (
    NAMESPACE,
    Manifest,
    find,
    kinds,
    needs_helm,
    pod_templates,
    render,
)
from charts.values import SETS

pytestmark = needs_helm


def rights(objects: list[Manifest], name: str) -> set[tuple[str, str, str]]:
    """Return what a Role allows: resource, name (* for any) and verb."""
    return {
        (resource, only, verb)
        for rule in find(objects, "Role", name)["rules"]
        for resource in rule["resources"]
        for only in rule.get("resourceNames", ["*"])
        for verb in rule["verbs"]
    }


def test_the_scheduler_may_handle_pods_and_make_the_launcher() -> None:
    assert rights(render({}), "tesk-scheduler") == {
        *(("pods", "*", verb) for verb in ("create", "get", "list", "watch", "delete")),
        ("configmaps", "*", "create"),
        ("configmaps", "tesk-tasks", "get"),
        ("events", "*", "list"),
        ("resourcequotas", "*", "list"),
        ("resourcequotas", "*", "watch"),
        *(
            (resource, "*", verb)
            for resource in ("jobs", "persistentvolumeclaims")
            for verb in ("list", "delete")
        ),
        ("secrets", "*", "delete"),
    }


def test_a_taskmaster_may_handle_the_objects_of_tasks_and_read_no_secret() -> None:
    assert rights(render({}), "tesk-taskmaster") == {
        *(
            (resource, "*", verb)
            for resource in ("jobs", "persistentvolumeclaims")
            for verb in ("create", "get", "list", "watch", "delete")
        ),
        *(("pods", "*", verb) for verb in ("list", "watch", "delete")),
        ("pods/log", "*", "get"),
        ("events", "*", "list"),
        ("limitranges", "*", "list"),
        ("secrets", "*", "create"),
        ("secrets", "*", "delete"),
    }


def test_a_taskmaster_may_read_why_queues_hold_jobs_back_where_there_are_any() -> None:
    added = rights(render(SETS["placement"]), "tesk-taskmaster") - rights(
        render({}), "tesk-taskmaster"
    )

    assert added == {("workloads", "*", "list")}


@pytest.mark.parametrize("name", SETS)
def test_rights_are_never_for_everything(name: str) -> None:
    for each in render(SETS[name]):
        for rule in each.get("rules", ()):
            assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]


def test_in_the_whole_cluster_the_scheduler_alone_may_list_nodes_and_no_more() -> None:
    objects = render({"taskNamespaces": ["tasks-a"]})

    (role,) = kinds(objects, "ClusterRole")
    (binding,) = kinds(objects, "ClusterRoleBinding")

    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list", "watch"]}
    ]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [(each["name"], each["namespace"]) for each in binding["subjects"]] == [
        ("tesk-scheduler", NAMESPACE)
    ]


def test_an_installation_needs_no_rights_in_the_whole_cluster() -> None:
    values = {"rbac": {"nodes": False}, "priorityClasses": {"create": False}}

    objects = render(values)

    assert [each for each in objects if "namespace" not in each["metadata"]] == []
    assert all(
        "priorityClassName" not in template["spec"]
        for template in pod_templates(objects).values()
    )


def test_services_come_before_taskmasters_and_those_before_tasks() -> None:
    objects = render({})
    classes = {
        each["metadata"]["name"]: each for each in kinds(objects, "PriorityClass")
    }
    services, taskmasters = (
        classes[f"tesk.{NAMESPACE}.{part}"] for part in ("services", "taskmasters")
    )

    assert services["value"] > taskmasters["value"] > 0
    assert taskmasters["preemptionPolicy"] == "Never"
    assert not any(each.get("globalDefault") for each in classes.values())
    assert {
        component: template["spec"].get("priorityClassName")
        for component, template in pod_templates(objects).items()
        if component != "test"
    } == {
        "api": services["metadata"]["name"],
        "scheduler": services["metadata"]["name"],
        "taskmaster": taskmasters["metadata"]["name"],
        "filer": None,
        "executor": None,
    }


def test_rights_are_those_of_the_task_namespaces_alone() -> None:
    objects = render({"taskNamespaces": ["tasks-a", "tasks-b"]})
    assert {role["metadata"]["namespace"] for role in kinds(objects, "Role")} == {
        *("tasks-a", "tasks-b")
    }
    binding = find(objects, "RoleBinding", "tesk-taskmaster", "tasks-a")
    assert {subject["namespace"] for subject in binding["subjects"]} == {
        *("tasks-a", "tasks-b")
    }
    binding = find(objects, "RoleBinding", "tesk-scheduler", "tasks-a")
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "tesk-scheduler", "namespace": NAMESPACE}
    ]


@pytest.mark.parametrize("name", SETS)
def test_only_who_speaks_to_kubernetes_has_a_token_of_it(name: str) -> None:
    objects = render(SETS[name])
    tokens = {
        component: template["spec"]["automountServiceAccountToken"]
        for component, template in pod_templates(objects).items()
    }
    assert tokens.pop("storage-checks", False) is False  # in one set alone
    assert tokens == {
        **dict.fromkeys(("api", "filer", "executor", "test"), False),
        **dict.fromkeys(("scheduler", "taskmaster"), True),
    }
    for account in kinds(objects, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False
    bound = {
        subject["name"]
        for each in kinds(objects, "RoleBinding")
        for subject in each["subjects"]
    }
    assert bound <= {"tesk-scheduler", "tesk-taskmaster"}


def cluster_rights(objects: list[Manifest]) -> list[tuple[list[str], list[str]]]:
    (role,) = kinds(objects, "ClusterRole")
    return [(rule["resources"], rule["verbs"]) for rule in role["rules"]]


def test_the_scheduler_lists_pods_of_others_only_where_it_is_told_to() -> None:
    nodes, pods = (["nodes"], ["list", "watch"]), (["pods"], ["list", "watch"])

    assert cluster_rights(render({})) == [nodes]
    assert cluster_rights(render({"rbac": {"pods": True}})) == [nodes, pods]
    settings = find(render({"rbac": {"pods": True}}), "ConfigMap", "tesk-scheduler")
    assert "all_pods: true" in settings["data"]["tesk.yaml"]
