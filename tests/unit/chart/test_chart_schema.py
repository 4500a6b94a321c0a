"""The schema of the values is complete."""

import json
from typing import Any

import yaml

from charts.rendering import CHART, needs_helm, render

pytestmark = needs_helm


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
