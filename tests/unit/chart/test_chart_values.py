"""Values of the wrong form are refused, with their place."""

from typing import Any

import pytest

from charts.rendering import RenderError, needs_helm, render

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
@pytest.mark.parametrize(("values", "message"), BAD.values(), ids=BAD)
def test_helm_refuses_a_wrong_value_and_names_it(
    values: dict[str, Any], message: tuple[str, ...]
) -> None:
    with pytest.raises(RenderError) as refusal:
        render(values)
    assert "values don't meet the specifications" in str(refusal.value)
    missing = [part for part in message if part not in str(refusal.value)]
    assert not missing, str(refusal.value)
