"""Rights, tokens, Pod Security, networks and secrets of the chart."""

import json
from typing import Any

import pytest

from charts.rendering import (
    NAMESPACE,
    TOKEN,
    Manifest,
    find,
    kinds,
    needs_helm,
    pod_templates,
    render,
)
from charts.values import SETS
from tesk_kubernetes.labels import common_labels

pytestmark = needs_helm

OURS = ("api", "scheduler", "taskmaster", "filer", "test")


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


# https://kubernetes.io/docs/concepts/security/pod-security-standards/, "Restricted".
VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral"),
    *("persistentVolumeClaim", "projected", "secret"),
}


def breaches(spec: dict[str, Any], *, standard: str) -> list[str]:
    """Return the fields with which a pod breaks a Pod Security Standard."""
    found = [
        field
        for field in ("hostNetwork", "hostPID", "hostIPC", "hostAliases")
        if spec.get(field)
    ]
    for volume in spec.get("volumes", ()):
        sources = set(volume) - {"name"}
        allowed = VOLUMES if standard == "restricted" else VOLUMES | {"nfs"}
        found += [f"volumes: {source}" for source in sources - allowed]
    of_pod = spec["securityContext"]
    for container in [*spec["containers"], *spec.get("initContainers", ())]:
        own = {**of_pod, **container["securityContext"]}
        found += [
            f"ports: {port}"
            for port in container.get("ports", ())
            if "hostPort" in port
        ]
        if own.get("privileged") or own.get("procMount", "Default") != "Default":
            found.append("privileged")
        if own["seccompProfile"]["type"] not in ("RuntimeDefault", "Localhost"):
            found.append("seccompProfile")
        if own.get("capabilities", {}).get("add"):
            found.append("capabilities.add")
        if standard == "restricted":
            found += _restricted_breaches(own)
    return found


def _restricted_breaches(own: dict[str, Any]) -> list[str]:
    wanted: dict[str, Any] = {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    found = [key for key, value in wanted.items() if own.get(key) != value]
    return found + (["runAsUser"] if own.get("runAsUser") == 0 else [])


@pytest.mark.parametrize("name", SETS)
def test_our_pods_obey_the_restricted_standard(name: str) -> None:
    templates = pod_templates(render(SETS[name]))
    for component in OURS:
        spec = templates[component]["spec"]
        assert breaches(spec, standard="restricted") == [], component
        for container in spec["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["name"] == "main"


@pytest.mark.parametrize("standard", ["baseline", "restricted"])
def test_executors_obey_the_standard_that_is_set(standard: str) -> None:
    templates = pod_templates(render({"executors": {"podSecurity": standard}}))
    spec = templates["executor"]["spec"]
    assert breaches(spec, standard=standard) == []
    assert bool(breaches(spec, standard="restricted")) == (standard == "baseline")


# Values of executors, and what their container drops.
DROPPED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "what no image of science needs": ({}, ["MKNOD", "NET_RAW"]),
    "what a site says": ({"capabilities": {"drop": ["SYS_CHROOT"]}}, ["SYS_CHROOT"]),
    "nothing, if a site says so": ({"capabilities": {"drop": []}}, []),
    "all where the standard says so": ({"podSecurity": "restricted"}, ["ALL"]),
}


@pytest.mark.parametrize(("executors", "want"), DROPPED.values(), ids=DROPPED)
def test_executors_drop_capabilities(
    executors: dict[str, Any], want: list[str]
) -> None:
    main = pod_templates(render({"executors": executors}))["executor"]["spec"][
        "containers"
    ][0]
    assert main["securityContext"].get("capabilities", {}).get("drop", []) == want


@pytest.mark.parametrize("name", SETS)
def test_pods_do_not_get_addresses_of_services_in_their_environment(name: str) -> None:
    """A Service named ``tesk-api`` would set ``TESK_API_PORT``, which is a setting."""
    for template in pod_templates(render(SETS[name])).values():
        assert template["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize("name", SETS)
def test_secrets_are_in_secrets_alone(name: str) -> None:
    for each in render(SETS[name]):
        if each["kind"] != "Secret":
            assert TOKEN not in json.dumps(each)


def test_credentials_reach_only_who_needs_them() -> None:
    values = {
        **SETS["storages"],
        "auth": SETS["users"]["auth"],
        "database": SETS["high-availability"]["database"],
    }
    files = ("s3", "netrc", "archives", "lab.example.org")
    names = (*files, "people", "tesk-database", "tesk-internal")
    seen = {
        component: {name for name in names if f'"{name}"' in _secret_names(template)}
        for component, template in pod_templates(render(values)).items()
    }
    assert seen == {
        "api": {"people", "tesk-internal"},
        "scheduler": {"tesk-database", "tesk-internal"},
        "taskmaster": {"tesk-internal"},
        "filer": set(files),
        "executor": set(),
        "test": set(),
    }


def _secret_names(template: Manifest) -> str:
    spec = template["spec"]
    volumes = [each["secret"] for each in spec.get("volumes", ()) if "secret" in each]
    references = [
        each["valueFrom"]["secretKeyRef"]
        for container in spec["containers"]
        for each in container.get("env", ())
        if "secretKeyRef" in each.get("valueFrom", {})
    ]
    return json.dumps([volumes, references])


@pytest.mark.parametrize("name", SETS)
def test_every_selector_finds_pods_of_one_component(name: str) -> None:
    objects = render(SETS[name])
    labels = {
        component: template["metadata"].get("labels", {})
        | (
            common_labels("tesk", component)
            if component in ("taskmaster", "filer", "executor")
            else {}
        )
        for component, template in pod_templates(objects).items()
    }
    selected = 0
    for each in objects:
        selector = _selector(each)
        if selector:
            selected += 1
            found = [
                component
                for component, own in labels.items()
                if selector.items() <= own.items()
            ]
            component = each["metadata"]["labels"]["app.kubernetes.io/component"]
            assert found == [component], each["metadata"]["name"]
    assert selected >= 4


def _selector(manifest: Manifest) -> dict[str, str]:
    spec = manifest.get("spec") or {}
    if manifest["kind"] == "Service":
        found: dict[str, str] = spec["selector"]
        return found
    if manifest["kind"] == "NetworkPolicy":
        return dict(spec["podSelector"]["matchLabels"])
    if manifest["kind"] in ("Deployment", "PodDisruptionBudget"):
        return dict(spec["selector"]["matchLabels"])
    return {}


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
    assert set(found) == {"api", "scheduler", "taskmaster", "filer", "executor"}
    for spec in found.values():
        assert spec["policyTypes"] == ["Ingress", "Egress"]


def test_taskmasters_filers_and_executors_cannot_be_reached() -> None:
    found = policies({})
    for component in ("taskmaster", "filer", "executor"):
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


def test_data_is_kept_at_an_uninstallation_if_set_so() -> None:
    kept = {"helm.sh/resource-policy": "keep"}
    objects = render({"uninstall": {"runningTasks": "keep", "database": "keep"}})
    for kind, name in (
        ("ConfigMap", "tesk-tasks"),
        ("PersistentVolumeClaim", "tesk-database"),
    ):
        assert find(objects, kind, name)["metadata"]["annotations"] == kept
        assert "annotations" not in find(render({}), kind, name)["metadata"]


def test_the_owner_of_tasks_is_the_same_in_every_render() -> None:
    """It is immutable: an upgrade that changes its data would be refused."""
    data = {
        json.dumps(find(render(values), "ConfigMap", "tesk-tasks")["data"])
        for values in ({}, SETS["users"], SETS["placement"])
    }
    assert len(data) == 1
    assert find(render({}), "ConfigMap", "tesk-tasks")["immutable"] is True
