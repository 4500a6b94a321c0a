"""Rendering the chart in tests, by the helm on the PATH."""

import functools
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).parents[2] / "helm" / "tesk"
NAMESPACE = "science"
TOKEN = "a-token-of-the-tests-that-never-changes"

Manifest = dict[str, Any]
Values = Mapping[str, Any]

needs_helm = pytest.mark.skipif(
    shutil.which("helm") is None, reason="helm is not on the PATH"
)


class RenderError(Exception):
    """helm refused; the message is what it printed."""


def render(
    values: Values,
    *,
    release: str = "tesk",
    token: str = TOKEN,
    version: str = "1.34.0",
) -> list[Manifest]:
    """Return the objects of the chart, hooks included, in helm's order.

    Args:
        values: Of a user; those of the chart are below them.
        release: Its name.
        token: The internal token, so that all renders are alike; empty: helm
            makes one.
        version: Of Kubernetes.

    Raises:
        RenderError: The values break the schema or a rule of the chart.
    """
    given = dict(values)
    if token and "internalToken" not in given:
        given["internalToken"] = {"value": token}
    done = _template(json.dumps(given, sort_keys=True), release, version)
    if done.returncode:
        raise RenderError(done.stderr)
    objects: list[Manifest] = json.loads(_as_json(done.stdout))
    return objects


def parse(text: str) -> Any:
    """Return a document of YAML; refuse a key that is there twice."""
    return yaml.load(text, _Loader)  # noqa: S506 - a safe loader


class _Loader(yaml.CSafeLoader):
    """Refuses a key that is there twice, as the cluster does."""

    def construct_mapping(
        self,
        node: yaml.MappingNode,
        deep: bool = False,  # noqa: FBT002 - as its base has it
    ) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise RenderError(f"twice in one place: {sorted(twice)}")
        return super().construct_mapping(node, deep=deep)


@functools.cache
def _template(
    values: str, release: str, version: str
) -> subprocess.CompletedProcess[str]:
    """Render, or be refused, once for the same values."""
    command = ["helm", "template", release, str(CHART), "--namespace", NAMESPACE]
    command += ["--kube-version", version, "--values", "-"]
    return subprocess.run(
        command, input=values, capture_output=True, text=True, check=False
    )


@functools.cache
def _as_json(rendered: str) -> str:
    """Return the objects in a form of which every caller reads its own."""
    return json.dumps([each for each in yaml.load_all(rendered, _Loader) if each])


def find(
    objects: list[Manifest], kind: str, name: str, namespace: str = ""
) -> Manifest:
    """Return the one object of a kind with a name."""
    found = [
        each
        for each in objects
        if each["kind"] == kind
        and each["metadata"]["name"] == name
        and namespace in ("", each["metadata"]["namespace"])
    ]
    assert len(found) == 1, f"{len(found)} {kind} {name}"
    return found[0]


def kinds(objects: list[Manifest], kind: str) -> list[Manifest]:
    """Return all objects of a kind."""
    return [each for each in objects if each["kind"] == kind]


def setting_files(objects: list[Manifest]) -> Iterator[tuple[str, str]]:
    """Give the settings file of each service, with the service."""
    for each in kinds(objects, "ConfigMap"):
        if "tesk.yaml" in each["data"]:
            service = each["metadata"]["labels"]["app.kubernetes.io/component"]
            yield service, each["data"]["tesk.yaml"]


def pod_templates(objects: list[Manifest]) -> dict[str, Manifest]:
    """Return the pod template of each component, deployed or made at run time."""
    templates = {
        each["metadata"]["labels"]["app.kubernetes.io/component"]: each["spec"][
            "template"
        ]
        for each in kinds(objects, "Deployment")
    }
    for each in kinds(objects, "ConfigMap"):
        for key, text in each["data"].items():
            if key.endswith("-pod.yaml"):
                templates[key.removesuffix("-pod.yaml")] = parse(text)
    for each in kinds(objects, "Pod"):
        templates["test"] = each
    return templates
