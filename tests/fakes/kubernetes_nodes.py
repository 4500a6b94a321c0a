"""Nodes as a cluster shows them."""

from typing import Any

from tesk_kubernetes.api import JsonObject


def make_node(
    name: str = "node-1", *, cpu: str = "2", memory: str = "8Gi", **fields: Any
) -> JsonObject:
    """Return a node that is ready; ``fields``: pods, ready, labels, and its spec's."""
    status = {
        "allocatable": {
            "cpu": cpu,
            "memory": memory,
            "pods": str(fields.pop("pods", 110)),
        },
        "conditions": [{"type": "Ready", "status": fields.pop("ready", "True")}],
    }
    metadata = {"name": name, "labels": fields.pop("labels", {})}
    return {"metadata": metadata, "spec": fields, "status": status}
