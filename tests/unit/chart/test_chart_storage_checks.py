"""The Deployment that looks at the urls of tasks before they are created."""

from typing import Any

import pytest
import yaml

from charts.rendering import (
    NAMESPACE,
    Manifest,
    find,
    kinds,
    needs_helm,
    pod_templates,
    render,
)

pytestmark = needs_helm

COMPONENT = "storage-checks"
NAME = f"tesk-{COMPONENT}"


def enabled(**more: Any) -> dict[str, Any]:
    return {"storageChecks": {"enabled": True}, **more}


def container(objects: list[Manifest]) -> dict[str, Any]:
    found: dict[str, Any] = pod_templates(objects)[COMPONENT]["spec"]["containers"][0]
    return found


def settings_of_api(objects: list[Manifest]) -> dict[str, Any]:
    text = find(objects, "ConfigMap", "tesk-api")["data"]["tesk.yaml"]
    grpc: dict[str, Any] = yaml.safe_load(text)["grpc"]
    return grpc


def of_component(objects: list[Manifest]) -> list[Manifest]:
    return [
        each
        for each in objects
        if each["metadata"]["labels"].get("app.kubernetes.io/component") == COMPONENT
    ]


def test_by_default_nobody_looks() -> None:
    objects = render({})

    assert of_component(objects) == []
    assert "storage" not in settings_of_api(objects)


def test_the_api_calls_the_service_that_is_there() -> None:
    objects = render(enabled())

    service = find(objects, "Service", NAME)
    address = settings_of_api(objects)["storage"]
    assert address == f"dns:///{NAME}.{NAMESPACE}.svc:7071"
    assert service["spec"]["ports"][0]["port"] == 7071
    labels = pod_templates(objects)[COMPONENT]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()


def test_it_has_the_credentials_and_the_network_of_filers_and_not_their_transfers() -> (
    None
):
    storage = {
        "netrc": {"existingSecret": "netrc"},
        "credentials": {"existingSecrets": ["lab"]},
    }
    cache = {"cache": {"sizeGb": 5, "claim": "inputs"}}
    objects = render(enabled(storage=storage, filer=cache))

    templates = pod_templates(objects)
    filer, own = templates["filer"]["spec"], templates[COMPONENT]["spec"]
    volumes = {each["name"] for each in own["volumes"]}
    assert volumes == {each["name"] for each in filer["volumes"]} - {"cache"} | {
        "internal"
    }
    variables = {each["name"] for each in container(objects)["env"]}
    theirs = {each["name"] for each in filer["containers"][0]["env"]}
    assert {each for each in theirs if "CACHE" not in each} <= variables
    assert container(objects)["args"] == ["serve"]
    assert "tesk/access-scheduler" not in templates[COMPONENT]["metadata"]["labels"]


def test_what_a_site_adds_wins() -> None:
    more = {"extraEnv": [{"name": "TESK_FILER_CHECKS_AT_ONCE", "value": "9"}]}

    variables = container(render(enabled(filer=more)))["env"]

    values = [
        each["value"]
        for each in variables
        if each["name"] == "TESK_FILER_CHECKS_AT_ONCE"
    ]
    assert values[-1] == "9"


def test_only_the_api_reaches_it_and_it_reaches_storages_alone() -> None:
    policies = {
        each["metadata"]["labels"]["app.kubernetes.io/component"]: each["spec"]
        for each in kinds(render(enabled()), "NetworkPolicy")
    }

    own = policies[COMPONENT]
    [rule] = own["ingress"]
    [peer] = rule["from"]
    assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "api"
    to_scheduler = policies["filer"]["egress"][0]
    assert own["egress"] == policies["filer"]["egress"][1:]
    assert to_scheduler["ports"] == [{"port": 7070}]
    assert [{"port": 7071}] in [rule["ports"] for rule in policies["api"]["egress"]]
    assert [{"port": 7071}] not in [
        rule.get("ports")
        for component in ("taskmaster", "filer", "executor", "pod")
        for rule in policies[component].get("egress", ())
    ]


@pytest.mark.parametrize(
    ("namespaces", "want"),
    [([], NAMESPACE), (["a", NAMESPACE], NAMESPACE), (["a", "b"], "a")],
)
def test_it_is_where_the_secrets_of_filers_are(
    namespaces: list[str], want: str
) -> None:
    objects = render(enabled(taskNamespaces=namespaces))

    assert {each["metadata"]["namespace"] for each in of_component(objects)} == {want}
    assert f".{want}.svc" in settings_of_api(objects)["storage"]


def test_its_certificate_is_the_schedulers_and_names_both() -> None:
    tls = {"enabled": True, "certManager": {"enabled": True}}
    objects = render(enabled(tls=tls))

    names = kinds(objects, "Certificate")[0]["spec"]["dnsNames"]
    assert f"{NAME}.{NAMESPACE}.svc" in names
    assert f"tesk-scheduler.{NAMESPACE}.svc" in names
    variables = {each["name"]: each["value"] for each in container(objects)["env"]}
    assert variables["TESK_GRPC_TLS_KEY"] == "/etc/tesk-tls/tls.key"
    # The kubelet's gRPC probe speaks no TLS.
    assert "tcpSocket" in container(objects)["livenessProbe"]
