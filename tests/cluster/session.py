"""Namespaces, storages and values of one session of end-to-end tests."""

from dataclasses import dataclass

from cluster.gated_storage import GatedStorage
from cluster.kube import Kube
from cluster.object_storage import ObjectStorage
from cluster.values import Values, shared_values


@dataclass(frozen=True, kw_only=True)
class Session:
    """One session of end-to-end tests.

    Attributes:
        name: Unlike that of any other session; all namespaces begin with it.
        tag: Of TESK's images.
    """

    name: str
    tag: str
    kube: Kube
    storage: ObjectStorage
    gated_storage: GatedStorage

    def values(self) -> Values:
        """Return the values that all releases share."""
        return shared_values(tag=self.tag, s3_endpoint=self.storage.endpoint)
