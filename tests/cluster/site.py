"""What all end-to-end tests of a session share."""

from dataclasses import dataclass

from cluster.gates import Gates
from cluster.kube import Kube
from cluster.object_storage import ObjectStorage
from cluster.values import Values, shared_values


@dataclass(frozen=True, kw_only=True)
class Site:
    """What all tests of a session share.

    Attributes:
        name: Unlike that of any other session; all namespaces begin with it.
        tag: Of TESK's images.
    """

    name: str
    tag: str
    kube: Kube
    storage: ObjectStorage
    gates: Gates

    def values(self) -> Values:
        """Return the values that all releases share."""
        return shared_values(tag=self.tag, s3_endpoint=self.storage.endpoint)
