"""Make the small Kubernetes schemas with which tests validate manifests.

Usage: ``python scripts/trim_kubernetes_schemas.py SWAGGER VERSION``, where SWAGGER
is ``api/openapi-spec/swagger.json`` of the Kubernetes sources, or what ``kubectl get
--raw /openapi/v2`` prints, and VERSION is the minor version, such as ``1.34``. It
writes ``tests/schemas/kubernetes-VERSION.json.gz``: the kinds that TESK makes and
what they refer to, without descriptions. Unknown fields become errors, as they are
to ``kubectl apply --validate=strict``.
"""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

KINDS = (
    "io.k8s.api.apps.v1.Deployment",
    "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
    "io.k8s.api.batch.v1.Job",
    "io.k8s.api.core.v1.ConfigMap",
    "io.k8s.api.core.v1.PersistentVolumeClaim",
    "io.k8s.api.core.v1.Pod",
    "io.k8s.api.core.v1.Secret",
    "io.k8s.api.core.v1.Service",
    "io.k8s.api.core.v1.ServiceAccount",
    "io.k8s.api.networking.v1.Ingress",
    "io.k8s.api.networking.v1.NetworkPolicy",
    "io.k8s.api.policy.v1.PodDisruptionBudget",
    "io.k8s.api.rbac.v1.ClusterRole",
    "io.k8s.api.rbac.v1.ClusterRoleBinding",
    "io.k8s.api.rbac.v1.Role",
    "io.k8s.api.rbac.v1.RoleBinding",
    "io.k8s.api.scheduling.v1.PriorityClass",
)
PREFIX = "#/definitions/"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
NUMBER_OR_TEXT = {"type": ["string", "number"]}
FOLDER = Path(__file__).parent.parent / "tests" / "schemas"


def main() -> int:
    """Write the schema of one version."""
    source, version = sys.argv[1:]
    document = json.loads(Path(source).read_text(encoding="utf-8"))
    text = json.dumps(trimmed(document["definitions"]), separators=(",", ":"))
    FOLDER.mkdir(exist_ok=True)
    out = FOLDER / f"kubernetes-{version}.json.gz"
    out.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{out.relative_to(FOLDER.parent.parent)}: {out.stat().st_size} bytes")
    return 0


def trimmed(definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the definitions that our kinds need, strict and without prose."""
    kept: dict[str, Any] = {}
    wanted = list(KINDS)
    while wanted:
        name = wanted.pop()
        if name in kept:
            continue
        kept[name] = NUMBER_OR_TEXT if name == QUANTITY else _strict(definitions[name])
        wanted += _references(kept[name])
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "kinds": {_kind(definitions[name]): PREFIX + name for name in KINDS},
        "definitions": dict(sorted(kept.items())),
    }


def _kind(definition: dict[str, Any]) -> str:
    (described,) = definition["x-kubernetes-group-version-kind"]
    group = f"{described['group']}/" if described["group"] else ""
    return f"{group}{described['version']} {described['kind']}"


def _strict(node: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without prose, in which unknown fields are errors."""
    if node.get("format") == "int-or-string":
        return {"type": ["string", "integer"]}
    kept = {
        key: value
        for key, value in node.items()
        if key in ("type", "required", "enum", "$ref")
    }
    if "properties" in node:
        kept["properties"] = {
            name: _strict(value) for name, value in node["properties"].items()
        }
        kept["additionalProperties"] = False
    elif isinstance(node.get("additionalProperties"), dict):
        kept["additionalProperties"] = _strict(node["additionalProperties"])
    if "items" in node:
        kept["items"] = _strict(node["items"])
    return kept


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [name for item in node for name in _references(item)]
    if not isinstance(node, dict):
        return []
    own = (
        [node["$ref"].removeprefix(PREFIX)] if isinstance(node.get("$ref"), str) else []
    )
    return own + [name for item in node.values() for name in _references(item)]


if __name__ == "__main__":
    sys.exit(main())
