"""The task volume in a cluster: its claim, and where executors see it."""

from tesk_kubernetes.api import VOLUME_CLAIMS, JsonObject
from tesk_kubernetes.settings import KubernetesSettings
from tesk_model.names import Attempt
from tesk_taskmaster.adapters.kubernetes.manifests import (
    VOLUME,
    Site,
    object_labels,
    owned_by_anchor,
)
from tesk_taskmaster.domain.plan import ExecutorStep, Plan

LAUNCHER_TARGET = "/.tesk/launcher"
WHOLE_VOLUME_TARGET = "/.tesk/volume"


def volume_claim(plan: Plan, site: Site, *, anchor_uid: str) -> JsonObject:
    """Return the claim of an attempt's volume; ``plan.has_volume`` says if any."""
    settings: KubernetesSettings = site.settings
    spec: JsonObject = {
        "accessModes": [settings.access_mode],
        # The API server refuses a claim for nothing.
        "resources": {"requests": {"storage": str(max(plan.disk, 1))}},
    }
    if settings.storage_class:
        spec["storageClassName"] = settings.storage_class
    attempt: Attempt = plan.attempt
    return {
        "apiVersion": VOLUME_CLAIMS.api_version,
        "kind": VOLUME_CLAIMS.kind,
        "metadata": {
            "name": attempt.name,
            "namespace": site.namespace,
            "labels": object_labels(attempt, site, component="task"),
            "ownerReferences": [owned_by_anchor(attempt, anchor_uid)],
        },
        "spec": spec,
    }
