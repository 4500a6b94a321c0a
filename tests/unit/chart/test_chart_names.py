"""Values have the names of other charts, and those of the release before."""

from typing import Any

import pytest

from charts.rendering import find, kinds, needs_helm, pod_templates, render

pytestmark = needs_helm

# What a site writes, and what it means in the names of this chart.
SAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "replicaCount": (
        {"api": {"replicaCount": 5}, "scheduler": {"replicaCount": 0}},
        {"api": {"replicas": 5}, "scheduler": {"replicas": 0}},
    ),
    "imagePullSecrets as in a pod": (
        {"imagePullSecrets": [{"name": "a"}, "b"]},
        {"images": {"pullSecrets": ["a", "b"]}},
    ),
    "the registry of a parent chart": (
        {"global": {"imageRegistry": "r.example.org"}, "images": {"registry": "other"}},
        {"images": {"registry": "r.example.org"}},
    ),
    "the pull secrets of a parent chart": (
        {"global": {"imagePullSecrets": ["a", {"name": "b"}], "other": {"c": 1}}},
        {"images": {"pullSecrets": ["a", "b"]}},
    ),
    "hosts with paths": (
        {"ingress": {"enabled": True, "hosts": [{"host": "a"}, {"host": "b"}]}},
        {"ingress": {"enabled": True, "hosts": ["a", "b"]}},
    ),
    "a list of certificates": (
        {
            "ingress": {
                "enabled": True,
                "hosts": ["a"],
                "tls": [{"secretName": "s", "hosts": ["a"]}],
            }
        },
        {
            "ingress": {
                "enabled": True,
                "hosts": ["a"],
                "tls": {"enabled": True, "secretName": "s"},
            }
        },
    ),
    "the target of the autoscaler": (
        {
            "api": {
                "autoscaling": {"enabled": True, "targetCPUUtilizationPercentage": 50}
            }
        },
        {"api": {"autoscaling": {"enabled": True, "targetCPU": 50}}},
    ),
    "limits of the release before": (
        {
            "quota": {
                "per_task": {"ram_gb": 8},
                "users": {"*": {"disk_gb": 5}},
                "defaults": {"ram_gb": 4},
                "capacity": {"ram_gb": 99},
            }
        },
        {
            "quota": {
                "perTask": {"ramGb": 8},
                "users": {"*": {"diskGb": 5}},
                "defaults": {"ramGb": 4},
                "capacity": {"ramGb": 99},
            }
        },
    ),
    "both names of one limit, of which the new one counts": (
        {"quota": {"patience": 5, "reserveAfter": 60}},
        {"quota": {"reserveAfter": 60}},
    ),
    "nodes of the release before": (
        {
            "placement": {
                "preemptible": {"node_selector": {"spot": "yes"}},
                "pools": {"large": {"node_selector": {"size": "large"}}},
                "gpu": {"most": 1, "type_label": "model"},
            }
        },
        {
            "placement": {
                "preemptible": {"nodeSelector": {"spot": "yes"}},
                "pools": {"large": {"nodeSelector": {"size": "large"}}},
                "gpu": {"most": 1, "typeLabel": "model"},
            }
        },
    ),
}


@pytest.mark.parametrize(("given", "meant"), SAME.values(), ids=SAME)
def test_another_name_means_the_same(
    given: dict[str, Any], meant: dict[str, Any]
) -> None:
    assert render(given) == render(meant)


def test_a_host_may_have_paths_of_its_own() -> None:
    paths = [{"path": "/ga4gh", "pathType": "Exact"}, {"path": "/tesk"}]
    hosts = [{"host": "a", "paths": paths}, "b"]
    (ingress,) = kinds(
        render({"ingress": {"enabled": True, "hosts": hosts}}), "Ingress"
    )

    found = [
        (rule["host"], path["path"], path["pathType"])
        for rule in ingress["spec"]["rules"]
        for path in rule["http"]["paths"]
    ]
    assert found == [
        ("a", "/ga4gh", "Exact"),
        ("a", "/tesk", "Prefix"),
        ("b", "/", "Prefix"),
    ]


@pytest.mark.parametrize(
    "component", ["api", "scheduler", "taskmaster", "filer", "executors"]
)
def test_a_site_adds_to_every_pod(component: str) -> None:
    proxy = {"name": "proxy", "image": "proxy:1", "restartPolicy": "Always"}
    source = {"secretRef": {"name": "more"}}
    added = {"initContainers": [proxy], "extraEnvFrom": [source]}
    templates = pod_templates(
        render({component: added, "global": {"imageRegistry": "r"}})
    )
    spec = templates[component.removesuffix("s")]["spec"]

    assert spec["initContainers"] == [proxy]
    assert spec["containers"][0]["envFrom"] == [source]
    assert "initContainers" not in templates["test"]["spec"]


@pytest.mark.parametrize("service", ["api", "scheduler"])
def test_a_site_changes_a_service(service: str) -> None:
    beside = {"name": "proxy", "image": "proxy:1"}
    changed = {
        "extraContainers": [beside],
        "livenessProbe": {"periodSeconds": 7},
        "startupProbe": {"enabled": False},
        "revisionHistoryLimit": 2,
        "service": {"labels": {"team": "x"}, "annotations": {"note": "y"}},
        "podSecurityContext": {"supplementalGroups": [7], "runAsUser": 1000},
        "securityContext": {"seLinuxOptions": {"type": "t"}},
    }
    objects = render({service: changed, "commonAnnotations": {"owner": "o"}})

    deployment = find(objects, "Deployment", f"tesk-{service}")["spec"]
    spec = deployment["template"]["spec"]
    main, second = spec["containers"]
    assert (deployment["revisionHistoryLimit"], second) == (2, beside)
    assert main["livenessProbe"]["periodSeconds"] == 7
    assert main["livenessProbe"]["failureThreshold"] == 6
    assert "startupProbe" not in main
    assert spec["securityContext"]["supplementalGroups"] == [7]
    assert spec["securityContext"]["runAsUser"] == 1000
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert main["securityContext"]["seLinuxOptions"] == {"type": "t"}
    assert main["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    metadata = find(objects, "Service", f"tesk-{service}")["metadata"]
    assert metadata["labels"]["team"] == "x"
    assert metadata["annotations"] == {"note": "y", "owner": "o"}


def test_common_annotations_are_on_every_object_beside_its_own() -> None:
    values = {
        "commonAnnotations": {"owner": "o"},
        "uninstall": {"runningTasks": "keep", "database": "keep"},
        "ingress": {"enabled": True, "annotations": {"owner": "mine"}},
    }
    objects = render(values)

    for each in objects:
        want = "mine" if each["kind"] == "Ingress" else "o"
        assert each["metadata"]["annotations"]["owner"] == want
    kept = find(objects, "Secret", "tesk-internal")["metadata"]["annotations"]
    assert kept["helm.sh/resource-policy"] == "keep"


def test_autoscalers_may_move_services_but_no_command() -> None:
    safe = {
        component: (template["metadata"].get("annotations") or {}).get(
            "cluster-autoscaler.kubernetes.io/safe-to-evict"
        )
        for component, template in pod_templates(render({})).items()
    }
    assert safe == {
        **dict.fromkeys(("api", "scheduler", "taskmaster"), "true"),
        "executor": "false",
        **dict.fromkeys(("filer", "test")),
    }


def test_a_drain_can_be_told_to_wait_for_commands() -> None:
    def budgets(values: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
        return {
            (each["metadata"]["namespace"], each["metadata"]["name"]): each["spec"]
            for each in kinds(render(values), "PodDisruptionBudget")
            if each["metadata"]["name"] == "tesk-executor"
        }

    assert budgets({}) == {}
    found = budgets(
        {
            "taskNamespaces": ["a", "b"],
            "executors": {"podDisruptionBudget": {"enabled": True}},
        }
    )
    assert set(found) == {("a", "tesk-executor"), ("b", "tesk-executor")}
    for spec in found.values():
        assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        labels = spec["selector"]["matchLabels"]
        assert labels["app.kubernetes.io/instance"] == "tesk"
        assert spec["selector"]["matchExpressions"] == [
            {
                "key": "app.kubernetes.io/component",
                "operator": "In",
                "values": ["executor", "pod"],
            }
        ]


def test_the_label_of_an_object_wins_over_that_of_all() -> None:
    labels = {"app.kubernetes.io/name": "other", "team": "all", "site": "all"}
    own = {"labels": {"team": "own", "app.kubernetes.io/component": "other"}}
    objects = render(
        {
            "commonLabels": labels,
            "api": {"service": own},
            "scheduler": {"service": own},
            "metrics": {
                part: {"enabled": True, **own}
                for part in ("serviceMonitor", "dashboard", "prometheusRule")
            },
        }
    )

    for each in kinds(objects, "Service"):
        found = each["metadata"]["labels"]
        assert found["site"] == "all"
        assert found["app.kubernetes.io/name"] == "tesk"
        assert found["app.kubernetes.io/component"] != "other"
    for kind in ("ServiceMonitor", "PrometheusRule"):
        for each in kinds(objects, kind):
            assert each["metadata"]["labels"]["team"] == "own"
    service = find(objects, "Service", "tesk-api")
    assert service["metadata"]["labels"]["team"] == "own"
