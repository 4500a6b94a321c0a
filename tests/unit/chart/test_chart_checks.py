"""Values that contradict each other are refused, with the cure."""

import re
from typing import Any

import pytest

from charts.rendering import CHART, NAMESPACE, RenderError, needs_helm, render

pytestmark = needs_helm

IMPOSSIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "storage checks with a certificate that is elsewhere": (
        {
            "storageChecks": {"enabled": True},
            "taskNamespaces": ["tasks"],
            "tls": {"enabled": True, "existingSecret": "c", "caBundle": "b"},
        },
        "put the release's namespace into taskNamespaces",
    ),
    "one pod where executors have no network": (
        {
            "taskmaster": {"layout": "pod"},
            "networkPolicy": {"executors": {"internet": False}},
        },
        "set networkPolicy.executors.internet to true, or leave",
    ),
    "one pod by a parameter where executors have no network": (
        {
            "taskmaster": {"layoutsAllowed": ["auto"]},
            "networkPolicy": {"executors": {"internet": False}},
        },
        "set networkPolicy.executors.internet to true, or leave",
    ),
    "webhooks of tasks that nothing lists": (
        {"webhooks": {"ofTasks": True}},
        "set webhooks.existingSecret to a Secret with the key webhooks.yaml",
    ),
    "one pod with the metadata service": (
        {
            "taskmaster": {"layout": "auto"},
            "networkPolicy": {"filer": {"metadata": True}},
        },
        "set it to false, or leave taskmaster.layout at jobs",
    ),
    "one pod with a role of filers": (
        {
            "taskmaster": {"layout": "pod"},
            "filer": {"serviceAccount": {"annotations": {"role": "a"}}},
        },
        "leave them out, or leave taskmaster.layout",
    ),
    "one pod with an account of filers": (
        {
            "taskmaster": {"layout": "pod"},
            "filer": {"serviceAccount": {"name": "a"}},
            "executors": {"serviceAccountName": "b"},
        },
        "set executors.serviceAccountName to the same",
    ),
    "one pod with a label of filers": (
        {"taskmaster": {"layout": "pod"}, "filer": {"podLabels": {"a": "b"}}},
        "set executors.podLabels to the same",
    ),
    "one pod with another scheduler for filers": (
        {"taskmaster": {"layout": "pod"}, "filer": {"schedulerName": "volcano"}},
        "set executors.schedulerName to the same",
    ),
    "a volume that takes all memory": (
        {
            "taskmaster": {
                "layout": "pod",
                "pod": {"volume": "memory", "maxDiskGb": 0},
            }
        },
        "set taskmaster.pod.maxDiskGb",
    ),
    "a quota that lets no task run": (
        {"quota": {"everybody": {"queued": 0}}},
        "leave it out",
    ),
    "a quota that lets no task run, as maximum": (
        {"quota": {"perTask": {"max": {"cpu": 0}}}},
        "quota.perTask.max.cpu: 0 would let no task run",
    ),
    "two schedulers on SQLite": (
        {"scheduler": {"replicas": 2}},
        "set database.type to postgresql, or scheduler.replicas to 1",
    ),
    "PostgreSQL without its url": (
        {"database": {"type": "postgresql"}},
        "set database.postgresql.existingSecret",
    ),
    "a url of PostgreSQL that is not used": (
        {"database": {"postgresql": {"existingSecret": "a"}}},
        "set database.type to postgresql",
    ),
    "an autoscaler without requests": (
        {
            "api": {
                "autoscaling": {"enabled": True},
                "resources": {"requests": {"cpu": None}},
            }
        },
        "set api.resources.requests.cpu",
    ),
    "an autoscaler with more at least than at most": (
        {"api": {"autoscaling": {"enabled": True, "minReplicas": 11}}},
        "raise maxReplicas",
    ),
    "a budget with two limits": (
        {"api": {"podDisruptionBudget": {"minAvailable": 1}}},
        "set maxUnavailable to null",
    ),
    "a budget without a limit": (
        {"scheduler": {"podDisruptionBudget": {"maxUnavailable": None}}},
        "set minAvailable or maxUnavailable",
    ),
    "passwords that nobody is asked for": (
        {"auth": {"existingSecret": "people"}},
        "set auth.mode to basic",
    ),
    "passwords without users": (
        {"auth": {"mode": "basic"}},
        "set auth.existingSecret",
    ),
    "administrators without groups": (
        {"auth": {"mode": "basic", "existingSecret": "a", "adminGroup": "b"}},
        "set auth.groupsKey",
    ),
    "HTTPS without a certificate": (
        {"ingress": {"enabled": True, "tls": {"enabled": True}}},
        "set ingress.tls.secretName",
    ),
    "HTTPS without an ingress": (
        {"ingress": {"tls": {"enabled": True, "secretName": "a"}}},
        "set ingress.enabled to true",
    ),
    "two internal tokens": (
        {"internalToken": {"value": "a" * 32, "existingSecret": "b"}},
        "leave one out",
    ),
    "TLS without a certificate": (
        {"tls": {"enabled": True}},
        "set tls.existingSecret, or tls.certManager.enabled",
    ),
    "two certificates": (
        {
            "tls": {
                "enabled": True,
                "existingSecret": "a",
                "certManager": {"enabled": True},
            }
        },
        "leave one out",
    ),
    "a certificate that is not used": (
        {"tls": {"existingSecret": "a"}},
        "set it to true",
    ),
    "TLS to other namespaces without the authority": (
        {"tls": {"enabled": True, "existingSecret": "a"}, "taskNamespaces": ["b"]},
        "set tls.caBundle",
    ),
    "task namespaces without rights": (
        {"taskNamespaces": [NAMESPACE], "rbac": {"create": False}},
        "set rbac.create to true",
    ),
    "a scheduler without a ServiceAccount": (
        {"scheduler": {"serviceAccount": {"create": False}}},
        "set scheduler.serviceAccount.name",
    ),
    "taskmasters without a ServiceAccount": (
        {"taskmaster": {"serviceAccount": {"create": False}}},
        "set taskmaster.serviceAccount.name",
    ),
    "executors that pose as something of TESK": (
        {"executors": {"podLabels": {"tesk/access-scheduler": "true"}}},
        "choose another name",
    ),
    "pods outside of their own selector": (
        {"api": {"podLabels": {"app.kubernetes.io/component": "web"}}},
        "choose another name",
    ),
    "S3 anonymous and with credentials": (
        {"storage": {"s3": {"anonymous": True, "existingSecret": "a"}}},
        "leave one out",
    ),
    "a cache in two places": (
        {"filer": {"cache": {"sizeGb": 1, "claim": "a", "hostPath": "/a"}}},
        "leave one out",
    ),
    "a cache in what users share": (
        {
            "filer": {"cache": {"sizeGb": 1, "claim": "a"}},
            "storage": {"shared": {"claim": "a"}},
        },
        "name another claim",
    ),
    "a cache without a size": (
        {"filer": {"cache": {"claim": "a"}}},
        "set filer.cache.sizeGb",
    ),
    "a cache without a place": (
        {"filer": {"cache": {"sizeGb": 1}}},
        "set filer.cache.claim or filer.cache.hostPath",
    ),
    "urls of a shared volume that is not there": (
        {"storage": {"shared": {"urlPrefix": "file:///data"}}},
        "set storage.shared.claim",
    ),
    "types of GPUs that nobody may have": (
        {"placement": {"gpu": {"types": {"a100": "A100"}}}},
        "set placement.gpu.most",
    ),
    "a second container of the name of ours": (
        {"api": {"extraContainers": [{"name": "main", "image": "a"}]}},
        "give the one that is added another name",
    ),
    "an annotation that is TESK's": (
        {"api": {"podAnnotations": {"checksum/token": "a"}}},
        "checksum/token is an annotation of TESK: choose another name",
    ),
    "a service that is root": (
        {"filer": {"podSecurityContext": {"runAsUser": 0}}},
        "leave it out",
    ),
    "root where nobody may be root": (
        {
            "executors": {
                "podSecurity": "restricted",
                "podSecurityContext": {"runAsUser": 0},
            }
        },
        "leave out executors.podSecurityContext.runAsUser",
    ),
}


@pytest.mark.parametrize(("values", "cure"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_helm_refuses_an_impossible_combination_and_names_the_cure(
    values: dict[str, Any], cure: str
) -> None:
    with pytest.raises(RenderError) as refusal:
        render(values)
    assert cure in str(refusal.value)
    assert "specifications of the schema" not in str(refusal.value)


CLAIMS = {"placement": {"gpu": {"claims": {"*": "one-gpu"}}}}


def test_gpus_are_not_claimed_on_a_cluster_that_has_no_claims() -> None:
    words = (
        "which Kubernetes v1.33.4 has not: leave them out, and set placement.gpu.types"
    )

    assert words in _refusal(CLAIMS, version="1.33.4")
    assert render(CLAIMS)


def test_every_check_of_the_chart_has_its_case_above() -> None:
    checks = (CHART / "templates" / "_checks.tpl").read_text(encoding="utf-8")
    sentences = re.findall(r'fail (?:\(printf )?"([^"]+)"', checks)
    told = "\n".join(_refusal(values) for values, _ in IMPOSSIBLE.values())
    told += _refusal(CLAIMS, version="1.30.0")
    assert len(sentences) > 20
    assert [
        sentence
        for sentence in sentences
        if not re.search(re.escape(sentence).replace("%s", r"\S+"), told)
    ] == []


def _refusal(values: dict[str, Any], **cluster: str) -> str:
    with pytest.raises(RenderError) as refusal:
        render(values, **cluster)
    return str(refusal.value)
