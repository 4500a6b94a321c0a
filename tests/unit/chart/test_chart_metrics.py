"""Metrics are read inside the cluster alone, and shown as they are called."""

import re
from typing import Any

import pytest

from charts.rendering import find, kinds, needs_helm, pod_templates, render
from charts.values import SETS

pytestmark = needs_helm

OPEN: dict[str, dict[str, Any]] = {
    "by an Ingress": {"ingress": {"enabled": True}},
    "by a Route": {"route": {"enabled": True}},
    "by a load balancer": {"api": {"service": {"type": "LoadBalancer"}}},
    "on the nodes": {"api": {"service": {"type": "NodePort"}}},
}


@pytest.mark.parametrize("values", OPEN.values(), ids=OPEN)
def test_opening_the_api_does_not_open_metrics(values: dict[str, Any]) -> None:
    objects = render(values)

    ports = find(objects, "Service", "tesk-api")["spec"]["ports"]
    assert [port["targetPort"] for port in ports] == ["http"]
    for each in kinds(objects, "Ingress"):
        for rule in each["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                assert path["backend"]["service"] == {
                    "name": "tesk-api",
                    "port": {"name": "http"},
                }
    for each in kinds(objects, "Route"):
        assert each["spec"]["port"] == {"targetPort": "http"}


@pytest.mark.parametrize("service", ["api", "scheduler"])
def test_prometheus_finds_the_port_of_each_service(service: str) -> None:
    objects = render(SETS["monitoring"])
    monitor = find(objects, "ServiceMonitor", f"tesk-{service}")["spec"]
    wanted = monitor["selector"]["matchLabels"]
    (endpoint,) = monitor["endpoints"]

    targets = [
        port["targetPort"]
        for each in kinds(objects, "Service")
        if wanted.items() <= each["metadata"]["labels"].items()
        for port in each["spec"]["ports"]
        if port["name"] == endpoint["port"]
    ]
    assert targets == ["metrics"]
    main = pod_templates(objects)[service]["spec"]["containers"][0]
    assert {"name": "metrics", "containerPort": 9090} in main["ports"]


def test_access_to_metrics_is_separate_from_access_to_the_api() -> None:
    values = {
        "networkPolicy": {
            "api": {"from": [{"podSelector": {"matchLabels": {"a": "b"}}}]},
            "metrics": {"from": [{"podSelector": {"matchLabels": {"c": "d"}}}]},
        }
    }
    rules = find(render(values), "NetworkPolicy", "tesk-api")["spec"]["ingress"]

    found = {
        rule["ports"][0]["port"]: rule["from"][0]["podSelector"]["matchLabels"]
        for rule in rules
    }
    assert found == {8080: {"a": "b"}, 9090: {"c": "d"}}


def test_each_alert_is_there_once_and_about_services_that_are_scraped() -> None:
    objects = render(SETS["monitoring"])
    (made,) = kinds(objects, "PrometheusRule")
    rules = [rule for group in made["spec"]["groups"] for rule in group["rules"]]
    scraped = {
        each["metadata"]["name"]
        for each in kinds(objects, "Service")
        if "metrics" in [port["name"] for port in each["spec"]["ports"]]
    }

    names = [rule["alert"] for rule in rules]
    text = " ".join(rule["expr"] for rule in rules)
    assert len(names) == len(set(names))
    assert set(re.findall(r'service="([^"]*)"', text)) == scraped
