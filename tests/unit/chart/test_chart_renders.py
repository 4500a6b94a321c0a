"""What the chart makes of values that sites would give, reviewed in tests/golden/chart.

Of the defaults there is everything; of all others what differs from the defaults.
See ``reviewed.files`` on how the files are written anew.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts.kubernetes_schema import VERSIONS, problems
from charts.rendering import (
    CHART,
    NAMESPACE,
    Manifest,
    find,
    needs_helm,
    parse,
    render,
)
from charts.values import SETS
from reviewed.differences import difference
from reviewed.files import reviewed_text, to_yaml

pytestmark = needs_helm

ROOT = CHART.parents[1]
GOLDEN = ROOT / "tests" / "golden" / "chart"
OTHERS = {
    *("cert-manager.io/v1", "cloud.google.com/v1"),
    *("monitoring.coreos.com/v1", "route.openshift.io/v1"),
}


def key_of(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    place = metadata.get("namespace", NAMESPACE)
    return f"{manifest['kind']}/{place}/{metadata['name']}"


def reviewed(name: str) -> dict[str, Any]:
    """Return what is kept of a render: all of it, or its difference to defaults."""
    made = _readable(SETS[name])
    if name == "defaults":
        return made
    usual = _readable(SETS["defaults"])
    for key in made:
        # What is made once for each task namespace is usually made here.
        kind, _, own_name = key.split("/")
        if (here := f"{kind}/{NAMESPACE}/{own_name}") in usual:
            usual.setdefault(key, usual[here])
    shown: dict[str, Any] = difference(usual, made)
    return shown


def _readable(values: Manifest) -> dict[str, Any]:
    """Return the objects by name, with the documents inside ConfigMaps parsed."""
    made = {key_of(each): each for each in render(values)}
    for each in made.values():
        if each["kind"] == "ConfigMap":
            each["data"] = {
                key: parse(text) if key.endswith((".yaml", ".json")) else text
                for key, text in each.get("data", {}).items()
            }
    return made


@pytest.mark.parametrize("name", SETS)
def test_a_render_is_the_reviewed_one(name: str) -> None:
    text = to_yaml(reviewed(name))

    assert text == reviewed_text(GOLDEN / f"{name}.yaml", text)


def test_every_reviewed_render_has_its_values() -> None:
    assert {file.stem for file in GOLDEN.glob("*")} == set(SETS)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", SETS)
def test_kubernetes_takes_every_object_field_by_field(name: str, version: str) -> None:
    objects = render(SETS[name])
    judged = [each for each in objects if each["apiVersion"] not in OTHERS]
    assert len(judged) >= 14
    assert [problem for each in judged for problem in problems(each, version)] == []


@pytest.mark.parametrize("name", SETS)
def test_objects_are_distinct(name: str) -> None:
    keys = [key_of(each) for each in render(SETS[name])]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("name", SETS)
def test_helm_lint_finds_nothing(name: str, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(SETS[name]), encoding="utf-8")
    command = ["helm", "lint", "--strict", "--kube-version", "1.34.0"]
    done = subprocess.run(
        [*command, "--values", str(values), str(CHART)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


def test_names_begin_with_the_release() -> None:
    names = {each["metadata"]["name"] for each in render({}, release="tesk-prod")}
    assert "tesk-prod-api" in names
    names = {each["metadata"]["name"] for each in render({}, release="science")}
    assert "science-tesk-api" in names
    assert all(name.startswith("science-tesk") for name in names)


def test_a_changed_setting_rolls_the_pods_that_read_it_and_no_others() -> None:
    def annotations(values: dict[str, Any], service: str) -> Any:
        deployment = find(render(values), "Deployment", f"tesk-{service}")
        return deployment["spec"]["template"]["metadata"]["annotations"]

    of_scheduler = {"scheduler": {"maxAttempts": 7}}
    assert annotations(of_scheduler, "scheduler") != annotations({}, "scheduler")
    assert annotations(of_scheduler, "api") == annotations({}, "api")
    of_taskmasters = {"taskmaster": {"nodeSelector": {"a": "b"}}}
    assert annotations(of_taskmasters, "scheduler") != annotations({}, "scheduler")
    of_executors = {"executors": {"podLabels": {"a": "b"}}}
    assert annotations(of_executors, "scheduler") != annotations({}, "scheduler")
    token = {"internalToken": {"value": "b" * 32}}
    for service in ("api", "scheduler"):
        assert annotations(token, service) != annotations({}, service)


def test_each_namespace_gets_the_same_new_token() -> None:
    values = {"taskNamespaces": ["tasks-a", "tasks-b"]}
    secrets = [each for each in render(values, token="") if each["kind"] == "Secret"]
    assert {each["metadata"]["namespace"] for each in secrets} == {
        *(NAMESPACE, "tasks-a", "tasks-b")
    }
    (token,) = {each["stringData"]["token"] for each in secrets}
    assert len(token) >= 32
    assert find(render({}, token="", release="tesk-b"), "Secret", "tesk-b-internal")[
        "stringData"
    ] != {"token": token}


def test_the_manifest_without_helm_is_what_the_chart_makes(tmp_path: Path) -> None:
    fresh = tmp_path / "tesk.yaml.in"
    script = str(ROOT / "scripts" / "make_manifest.py")
    subprocess.run([sys.executable, script, "--template", str(fresh)], check=True)
    committed = ROOT / "deploy" / "tesk.yaml.in"
    assert fresh.read_text() == committed.read_text(), "make manifest-template"


def test_common_labels_are_on_every_object() -> None:
    objects = render({"commonLabels": {"team": "platform"}, **SETS["users"]})
    assert [
        key_of(each)
        for each in objects
        if each["metadata"]["labels"].get("team") is None
    ] == []
