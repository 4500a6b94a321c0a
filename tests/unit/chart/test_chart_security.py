"""Pod Security, secrets, selectors and what stays of the chart."""

import json
from typing import Any

import pytest

from charts.rendering import (
    TOKEN,
    Manifest,
    find,
    needs_helm,
    pod_templates,
    render,
)
from charts.values import SETS
from tesk_kubernetes.labels import common_labels

pytestmark = needs_helm

OURS = ("api", "scheduler", "taskmaster", "filer", "test")


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
    for component in {*OURS, "storage-checks"} & templates.keys():
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
    labels = {"pod": common_labels("tesk", "pod")}
    labels |= {
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
        # One that selects pods of several components has a test of its own.
        several = "matchExpressions" in spec["selector"]
        return {} if several else dict(spec["selector"]["matchLabels"])
    return {}


def test_data_is_kept_at_an_uninstallation_if_set_so() -> None:
    kept = {"helm.sh/resource-policy": "keep"}
    objects = render({"uninstall": {"runningTasks": "keep", "database": "keep"}})
    for kind, name in (
        ("ConfigMap", "tesk-tasks"),
        ("PersistentVolumeClaim", "tesk-database"),
        # Or commands that go on could reach what they never could.
        ("NetworkPolicy", "tesk-executor"),
        ("NetworkPolicy", "tesk-filer"),
        ("NetworkPolicy", "tesk-pod"),
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
