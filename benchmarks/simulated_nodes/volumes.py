"""A provisioner for claims of simulated nodes: volumes that are nothing but objects."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from kubernetes.client.exceptions import ApiException

from cluster.kube import Kube, Object
from tesk_kubernetes.api import JsonObject

_VOLUMES = "/api/v1/persistentvolumes"
_BOUND = {
    "pv.kubernetes.io/bind-completed": "yes",
    "pv.kubernetes.io/bound-by-controller": "yes",
}
_WRITERS = 4


def storage_class(name: str) -> Object:
    """Return a StorageClass whose claims are bound at once."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": "tesk.example.org/simulated",
        "volumeBindingMode": "Immediate",
        "reclaimPolicy": "Retain",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenClaim:
    """What counts of a claim."""

    namespace: str
    name: str
    uid: str
    storage_class: str
    size: str

    @property
    def volume(self) -> str:
        """Name of its volume."""
        return f"simulated-{self.uid}"


def seen_claim(claim: JsonObject) -> SeenClaim:
    """Return what counts of a claim."""
    metadata, spec = claim["metadata"], claim["spec"]
    return SeenClaim(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        storage_class=spec.get("storageClassName") or "",
        size=spec["resources"]["requests"]["storage"],
    )


class Provisioner:
    """Makes a volume for each claim of a StorageClass, and removes it after it."""

    def __init__(self, kube: Kube, storage_class: str) -> None:
        self._kube = kube
        self._storage_class = storage_class
        self._seen: dict[str, SeenClaim] = {}
        self._writers = ThreadPoolExecutor(_WRITERS, "provisioner")

    def take(self, name: str, seen: SeenClaim | None) -> None:
        """Take a new version of a claim; None: it is gone. Called by one thread."""
        known = self._seen.pop(name, None)
        if known is not None and known != seen:
            self._writers.submit(self._remove, known)
        if seen is None or seen.storage_class != self._storage_class:
            return
        self._seen[name] = seen
        if known != seen:
            self._writers.submit(self._make, seen)

    def close(self) -> None:
        """Remove what is left."""
        for seen in self._seen.values():
            self._writers.submit(self._remove, seen)
        self._writers.shutdown()

    def _make(self, seen: SeenClaim) -> None:
        """Make a volume, and bind the claim to it.

        The cluster would bind it, too, but one after the other.
        """
        with suppress(ApiException):  # it exists
            self._kube.call("POST", _VOLUMES, body=_volume(seen))
        with suppress(ApiException):  # the claim is gone
            self._kube.call(
                "PATCH",
                f"/api/v1/namespaces/{seen.namespace}/persistentvolumeclaims/{seen.name}",
                body={
                    "metadata": {"uid": seen.uid, "annotations": _BOUND},
                    "spec": {"volumeName": seen.volume},
                },
                content_type="application/merge-patch+json",
            )

    def _remove(self, seen: SeenClaim) -> None:
        with suppress(ApiException):
            self._kube.call("DELETE", f"{_VOLUMES}/{seen.volume}")


def _volume(seen: SeenClaim) -> Object:
    return {
        "metadata": {"name": seen.volume},
        "spec": {
            "storageClassName": seen.storage_class,
            "capacity": {"storage": seen.size},
            "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": seen.namespace,
                "name": seen.name,
                "uid": seen.uid,
            },
            # Nobody mounts it; no controller attaches one of this kind.
            "hostPath": {"path": "/nonexistent"},
        },
    }
