"""An Ingress tells its controller what answers that go on and large requests need."""

from typing import Any

import pytest

from charts.rendering import Manifest, RenderError, find, kinds, needs_helm, render
from charts.values import SETS
from tesk_api.http.rounds import HEARTBEAT

pytestmark = needs_helm

NGINX = "nginx.ingress.kubernetes.io"

CONTROLLERS: dict[str, dict[str, str]] = {
    "": {},
    "nginx": {
        f"{NGINX}/proxy-read-timeout": "60",
        f"{NGINX}/proxy-body-size": "16777216",
        "nginx.org/proxy-read-timeout": "60s",
        "nginx.org/client-max-body-size": "16777216",
    },
    "haproxy": {
        "haproxy.org/timeout-server": "60s",
        "haproxy-ingress.github.io/timeout-server": "60s",
    },
    "traefik": {},
    "contour": {"projectcontour.io/response-timeout": "infinity"},
    "alb": {
        "alb.ingress.kubernetes.io/target-type": "ip",
        "alb.ingress.kubernetes.io/healthcheck-path": "/readyz",
    },
    "gke": {},
}


def with_ingress(**values: Any) -> dict[str, Any]:
    return {"ingress": {"enabled": True, **values}}


def annotations(objects: list[Manifest], kind: str) -> dict[str, str]:
    found: dict[str, str] = find(objects, kind, "tesk-api")["metadata"].get(
        "annotations", {}
    )
    return found


@pytest.mark.parametrize(("controller", "want"), CONTROLLERS.items())
def test_each_controller_gets_its_annotations(
    controller: str, want: dict[str, str]
) -> None:
    objects = render(with_ingress(controller=controller))

    assert annotations(objects, "Ingress") == want


def test_a_site_chooses_how_long_and_how_much() -> None:
    values = with_ingress(controller="nginx", readTimeoutSeconds=90)
    of_alb = with_ingress(controller="alb", readTimeoutSeconds=120)
    of_alb["api"] = {"service": {"type": "NodePort"}}

    found = annotations(render({**values, "api": {"bodyLimit": 4096}}), "Ingress")

    assert found[f"{NGINX}/proxy-read-timeout"] == "90"
    assert found["nginx.org/proxy-read-timeout"] == "90s"
    assert found[f"{NGINX}/proxy-body-size"] == "4096"
    assert annotations(render(of_alb), "Ingress") == {
        "alb.ingress.kubernetes.io/healthcheck-path": "/readyz",
        "alb.ingress.kubernetes.io/load-balancer-attributes": (
            "idle_timeout.timeout_seconds=120"
        ),
    }


def test_annotations_that_are_given_win() -> None:
    own = {f"{NGINX}/proxy-body-size": "1g", "cert-manager.io/issuer": "a"}

    found = annotations(
        render(with_ingress(controller="nginx", annotations=own)), "Ingress"
    )

    assert found[f"{NGINX}/proxy-body-size"] == "1g"
    assert found["cert-manager.io/issuer"] == "a"
    assert found[f"{NGINX}/proxy-read-timeout"] == "60"


def test_google_cloud_gets_a_backend_config_that_the_service_names() -> None:
    values = with_ingress(controller="gke", streamSeconds=7200)
    values["api"] = {"service": {"annotations": {"team": "science"}}}
    objects = render(values)

    config = find(objects, "BackendConfig", "tesk-api")

    assert config["spec"]["timeoutSec"] == 7200
    assert config["spec"]["healthCheck"] == {
        "type": "HTTP",
        "requestPath": "/readyz",
        "port": 8080,
    }
    assert annotations(objects, "Service") == {
        "cloud.google.com/backend-config": '{"default":"tesk-api"}',
        "cloud.google.com/neg": '{"ingress":true}',
        "team": "science",
    }


def test_without_an_ingress_of_google_cloud_there_is_no_backend_config() -> None:
    for values in ({}, with_ingress(), {"ingress": {"controller": "gke"}}):
        objects = render(values)
        assert list(kinds(objects, "BackendConfig")) == []
        assert annotations(objects, "Service") == {}


PROXIES: dict[str, tuple[dict[str, Any], str]] = {
    "nothing in front": ({}, "trusted_proxies: 0"),
    "an Ingress": (with_ingress(), "trusted_proxies: 1"),
    "a Route": ({"route": {"enabled": True}}, "trusted_proxies: 1"),
    "what adds its own address, too": (SETS["google-cloud"], "trusted_proxies: 2"),
    "what the site says": (
        {**with_ingress(), "auth": {"trustedProxies": 3}},
        "trusted_proxies: 3",
    ),
}


@pytest.mark.parametrize(("values", "want"), PROXIES.values(), ids=PROXIES)
def test_the_api_knows_how_many_proxies_are_in_front(
    values: dict[str, Any], want: str
) -> None:
    settings = find(render(values), "ConfigMap", "tesk-api")["data"]

    assert any(want in text for text in settings.values())


@pytest.mark.parametrize(
    "values", [{"readTimeoutSeconds": int(HEARTBEAT)}, {"controller": "apache"}]
)
def test_what_would_cut_every_answer_off_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(RenderError):
        render(with_ingress(**values))
