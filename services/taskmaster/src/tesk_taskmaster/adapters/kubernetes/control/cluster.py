"""The cluster, as all parts of the runtime use it."""

from dataclasses import dataclass

from tesk_kubernetes.api import KubernetesApi
from tesk_kubernetes.settings import KubernetesSettings
from tesk_taskmaster.adapters.kubernetes.control.informers import Informers
from tesk_taskmaster.adapters.kubernetes.control.query_pace import QueryPace
from tesk_taskmaster.adapters.kubernetes.control.retries import RetriedCalls
from tesk_taskmaster.adapters.kubernetes.manifests.templates import PodTemplates
from tesk_taskmaster.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster, and how TESK is set up in it.

    Attributes:
        api: For one call.
        calls: For calls that wait for the cluster.
        informers: Write changes into the cache.
        queries: When steps may make some.
    """

    api: KubernetesApi
    calls: RetriedCalls
    informers: Informers
    queries: QueryPace
    templates: PodTemplates
    clock: Clock
    settings: KubernetesSettings
