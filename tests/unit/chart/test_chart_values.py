"""Values are accepted, or refused with a message."""

import json
import re
from typing import Any

import pytest
import yaml

from charts.rendering import CHART, NAMESPACE, RenderError, needs_helm, render

pytestmark = needs_helm

# The sentence, the values, and what helm's message must hold: the place, and why.
BAD: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "a misspelled section": ({"apii": {}}, ("apii", "not allowed")),
    "a misspelled value": ({"api": {"replica": 2}}, ("/api", "replica", "not allowed")),
    "a misspelled value deep down": (
        {"storage": {"s3": {"endpiont": "https://a"}}},
        ("/storage/s3", "endpiont", "not allowed"),
    ),
    "text for a number": ({"api": {"replicas": "two"}}, ("/api/replicas", "integer")),
    "a number below its least": (
        {"scheduler": {"leaseSeconds": 1}},
        ("/scheduler/leaseSeconds", "minimum"),
    ),
    "a reference without its claim": (
        {"references": {"grch38": {"subPath": "a"}}},
        ("/references/grch38", "claim"),
    ),
    "a reference whose name no url can have": (
        {"references": {"GRCh38": {"claim": "a"}}},
        ("invalid propertyName 'GRCh38'",),
    ),
    "a reference by an absolute path": (
        {"references": {"grch38": {"claim": "a", "subPath": "/a"}}},
        ("/references/grch38/subPath", "does not match pattern"),
    ),
    "a port that is none": (
        {"api": {"service": {"port": 70000}}},
        ("/api/service/port", "maximum"),
    ),
    "a pull policy that is none": (
        {"images": {"pullPolicy": "Sometimes"}},
        ("/images/pullPolicy", "one of 'Always', 'IfNotPresent', 'Never'"),
    ),
    "a digest without its hash": (
        {"api": {"image": {"digest": "latest"}}},
        ("/api/image/digest", "sha256"),
    ),
    "a tag with a blank": (
        {"images": {"tag": "a b"}},
        ("/images/tag", "does not match pattern"),
    ),
    "a quantity without a known unit": (
        {"scheduler": {"resources": {"limits": {"memory": "1GB"}}}},
        ("/scheduler/resources/limits/memory", "does not match pattern"),
    ),
    "a resource that has no place there": (
        {"filer": {"resources": {"requests": {"gpu": 1}}}},
        ("/filer/resources/requests", "gpu", "not allowed"),
    ),
    "a size of the volume without digits": (
        {"database": {"sqlite": {"size": "big"}}},
        ("/database/sqlite/size", "does not match pattern"),
    ),
    "a database that TESK does not know": (
        {"database": {"type": "mysql"}},
        ("/database/type", "one of 'sqlite', 'postgresql'"),
    ),
    "a task namespace in capitals": (
        {"taskNamespaces": ["Tasks"]},
        ("/taskNamespaces/0", "does not match pattern"),
    ),
    "a task namespace twice": (
        {"taskNamespaces": ["a", "a"]},
        ("/taskNamespaces", "equal"),
    ),
    "one namespace in place of a list": (
        {"taskNamespaces": "tasks"},
        ("/taskNamespaces", "want array"),
    ),
    "a toleration with an unknown effect": (
        {"api": {"tolerations": [{"effect": "Never"}]}},
        ("/api/tolerations/0/effect", "NoSchedule"),
    ),
    "a toleration with a misspelled field": (
        {"executors": {"tolerations": [{"keys": "a"}]}},
        ("/executors/tolerations/0", "keys", "not allowed"),
    ),
    "an internal token that is short": (
        {"internalToken": {"value": "short"}},
        ("/internalToken/value", "does not match pattern"),
    ),
    "an ingress path without its slash": (
        {"ingress": {"path": "tes"}},
        ("/ingress/path", "does not match pattern"),
    ),
    "a host with a scheme": (
        {"ingress": {"hosts": ["https://tesk.example.org"]}},
        ("/ingress/hosts/0", "does not match pattern"),
    ),
    "an S3 endpoint without a scheme": (
        {"storage": {"s3": {"endpoint": "minio:9000"}}},
        ("/storage/s3/endpoint", "https?://"),
    ),
    "a Secret of credentials in capitals": (
        {"storage": {"credentials": {"existingSecrets": ["Archives"]}}},
        ("/storage/credentials/existingSecrets/0", "does not match pattern"),
    ),
    "a Secret of credentials twice": (
        {"storage": {"credentials": {"existingSecrets": ["a", "a"]}}},
        ("/storage/credentials/existingSecrets", "are equal"),
    ),
    "one Secret of credentials in place of a list": (
        {"storage": {"credentials": {"existingSecrets": "a"}}},
        ("/storage/credentials/existingSecrets", "array"),
    ),
    "credentials in the values": (
        {"storage": {"credentials": {"password": "p"}}},
        ("/storage/credentials", "password", "not allowed"),
    ),
    "hosts without their keys": (
        {"storage": {"sftp": {"knownHosts": "archive.example.org"}}},
        ("/storage/sftp/knownHosts", "does not match pattern"),
    ),
    "a file in place of certificates": (
        {"storage": {"ftps": {"ca": "/etc/ssl/ca.pem"}}},
        ("/storage/ftps/ca", "does not match pattern"),
    ),
    "a port of filers by name": (
        {"networkPolicy": {"filer": {"ports": ["https"]}}},
        ("/networkPolicy/filer/ports/0", "integer"),
    ),
    "a relative mount path": (
        {"storage": {"shared": {"mountPath": "shared"}}},
        ("/storage/shared/mountPath", "does not match pattern"),
    ),
    "a url prefix of another scheme": (
        {"storage": {"shared": {"urlPrefix": "nfs:///a"}}},
        ("/storage/shared/urlPrefix", "file:///"),
    ),
    "a limit of a quota that is none": (
        {"quota": {"users": {"*": {"cores": 4}}}},
        ("/quota/users/*", "cores", "not allowed"),
    ),
    "a quota below zero": (
        {"quota": {"everybody": {"cpu": -1}}},
        ("/quota/everybody/cpu", "minimum"),
    ),
    "labels that are no text": (
        {"executors": {"podLabels": {"a": 1}}},
        ("/executors/podLabels/a", "want string"),
    ),
    "a variable without a name": (
        {"filer": {"extraEnv": [{"value": "a"}]}},
        ("/filer/extraEnv/0", "name"),
    ),
    "root in our own pods": (
        {"security": {"runAsUser": 0}},
        ("/security/runAsUser", "minimum"),
    ),
    "a network that is none": (
        {"networkPolicy": {"apiServer": {"cidrs": ["kubernetes"]}}},
        ("/networkPolicy/apiServer/cidrs/0", "does not match pattern"),
    ),
    "privileged as a standard of executors": (
        {"executors": {"podSecurity": "privileged"}},
        ("/executors/podSecurity", "one of 'baseline', 'restricted'"),
    ),
    "a CPU limit below what is asked for": (
        {"executors": {"resources": {"cpuLimitRatio": 0.5}}},
        ("/executors/resources/cpuLimitRatio", "minimum"),
    ),
    "CPU of executors, which tasks ask for": (
        {"executors": {"resources": {"limits": {"cpu": 2}}}},
        ("/executors/resources", "limits", "not allowed"),
    ),
    "a name of a shared registry that is misspelled": (
        {"global": {"imageRegistry": 5}},
        ("/global/imageRegistry", "want string"),
    ),
    "a pull secret without a name": (
        {"imagePullSecrets": [{"secret": "a"}]},
        ("/imagePullSecrets/0", "name"),
    ),
    "a host of an ingress without a name": (
        {"ingress": {"hosts": [{"paths": [{"path": "/"}]}]}},
        ("/ingress/hosts/0", "host"),
    ),
    "a kind of path that is none": (
        {
            "ingress": {
                "hosts": [{"host": "a", "paths": [{"path": "/", "pathType": "R"}]}]
            }
        },
        ("/ingress/hosts/0", "pathType"),
    ),
    "HTTPS of an ingress as a word": (
        {"ingress": {"tls": "yes"}},
        ("/ingress/tls", "want"),
    ),
    "a container without an image": (
        {"scheduler": {"initContainers": [{"name": "proxy"}]}},
        ("/scheduler/initContainers/0", "image"),
    ),
    "more containers where a Job would never end": (
        {"executors": {"extraContainers": [{"name": "a", "image": "b"}]}},
        ("/executors", "extraContainers", "not allowed"),
    ),
    "a probe with a misspelled field": (
        {"api": {"livenessProbe": {"periodSecond": 5}}},
        ("/api/livenessProbe", "periodSecond", "not allowed"),
    ),
    "an annotation that is no text": (
        {"commonAnnotations": {"a": True}},
        ("/commonAnnotations/a", "want string"),
    ),
    "a capability in small letters": (
        {"executors": {"capabilities": {"drop": ["net_raw"]}}},
        ("/executors/capabilities/drop/0", "does not match pattern"),
    ),
}

# Combinations that cannot work, and the cure that the message must name.
IMPOSSIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "a quota that lets no task run": (
        {"quota": {"everybody": {"queued": 0}}},
        "leave it out",
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


@pytest.mark.parametrize(("values", "message"), BAD.values(), ids=BAD)
def test_helm_refuses_a_wrong_value_and_names_it(
    values: dict[str, Any], message: tuple[str, ...]
) -> None:
    with pytest.raises(RenderError) as refusal:
        render(values)
    assert "values don't meet the specifications" in str(refusal.value)
    missing = [part for part in message if part not in str(refusal.value)]
    assert not missing, str(refusal.value)


@pytest.mark.parametrize(("values", "cure"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_helm_refuses_an_impossible_combination_and_names_the_cure(
    values: dict[str, Any], cure: str
) -> None:
    with pytest.raises(RenderError) as refusal:
        render(values)
    assert cure in str(refusal.value)
    assert "specifications of the schema" not in str(refusal.value)


def test_every_check_of_the_chart_has_its_case_above() -> None:
    checks = (CHART / "templates" / "_checks.tpl").read_text(encoding="utf-8")
    sentences = re.findall(r'fail (?:\(printf )?"([^"]+)"', checks)
    told = "\n".join(_refusal(values) for values, _ in IMPOSSIBLE.values())
    assert len(sentences) > 20
    assert [
        sentence
        for sentence in sentences
        if not re.search(re.escape(sentence).replace("%s", r"\S+"), told)
    ] == []


def _refusal(values: dict[str, Any]) -> str:
    with pytest.raises(RenderError) as refusal:
        render(values)
    return str(refusal.value)


def test_every_object_of_the_schema_is_closed_or_anothers() -> None:
    """Ours are closed; Kubernetes' own (affinity and the like) are left to it."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    open_ones = [path for path, node in _objects(schema, "") if _is_open(node)]
    assert set(open_ones) == {
        *("affinity", "behavior", "dns[]", "egress[]", "extraEgress[]"),
        *("extraObjects[]", "extraVolumeMounts[]", "extraVolumes[]", "from[]"),
        *("extraContainers[]", "extraEnvFrom[]", "initContainers[]"),
        *("podSecurityContext", "securityContext", "valueFrom"),
        "topologySpreadConstraints[]",
    }


def _is_open(node: dict[str, Any]) -> bool:
    kind = node.get("type")
    is_object = kind == "object" or (isinstance(kind, list) and "object" in kind)
    return is_object and "additionalProperties" not in node


def _objects(node: Any, name: str) -> list[tuple[str, dict[str, Any]]]:
    if not isinstance(node, dict):
        return []
    found = [(name, node)]
    for key, child in node.get("properties", {}).items():
        found += _objects(child, key)
    found += _objects(node.get("items"), f"{name}[]")
    found += _objects(node.get("additionalProperties"), f"{name}.*")
    for child in node.get("anyOf", ()):
        found += _objects(child, name)
    return found


def test_every_value_has_a_description() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    undescribed = [
        f"{name}.{key}"
        for name, node in _objects(schema, "")
        for key, child in node.get("properties", {}).items()
        if not child.get("description")
        and not name.endswith(("tolerations[]", "extraEnv[]"))
    ]
    assert undescribed == []


def test_the_defaults_are_values_of_the_schema() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert render(values)
