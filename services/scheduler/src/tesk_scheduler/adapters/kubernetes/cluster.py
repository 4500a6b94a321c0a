"""Opens the pod launcher and the watch of nodes, from settings."""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from tesk_kubernetes.client import NoClusterError, open_api, task_namespaces
from tesk_kubernetes.names import namespace_of
from tesk_kubernetes.settings import KubernetesSettings
from tesk_kubernetes.templates import TemplateError
from tesk_model.names import Attempt
from tesk_scheduler.adapters.kubernetes.nodes import ClusterNodes
from tesk_scheduler.adapters.kubernetes.pod_launcher import PodLauncher
from tesk_scheduler.adapters.kubernetes.pod_parts import TaskmasterPodParts
from tesk_scheduler.adapters.kubernetes.task_objects import ClusterTaskObjects
from tesk_scheduler.domain.capacity import OwnPods
from tesk_scheduler.domain.quota import Amounts, Limit
from tesk_scheduler.ports.cluster import Cluster, Nodes
from tesk_scheduler.ports.environment import Clock, Namespaces

_logger = logging.getLogger(__name__)
# The leader waits for each call, and must keep its lead meanwhile.
_RETRY_FOR = timedelta(seconds=2)
_FIRST_SYNC = timedelta(seconds=5)


class OpenCluster(NamedTuple):
    """What the scheduler uses of a cluster."""

    launcher: PodLauncher
    cluster: Cluster
    namespace_of: Namespaces
    namespaces: tuple[str, ...]


class LateCluster:
    """Watches a cluster from when somebody asks for what it has.

    Where settings leave the capacity unlimited, the right to list nodes is not needed.
    """

    def __init__(self, watch: Callable[[], Cluster]) -> None:
        self._watch = watch
        self._watched: Cluster | None = None
        self._lock = threading.Lock()

    def nodes(self, reserve: Amounts, /) -> Nodes | None:
        """See ``Cluster``."""
        return self._cluster().nodes(reserve)

    def bound(self) -> Limit:
        """See ``Cluster``."""
        return self._cluster().bound()

    def problem(self) -> str:
        """See ``Cluster``."""
        return self._cluster().problem()

    def own_pods(self) -> OwnPods:
        """See ``Cluster``."""
        return self._cluster().own_pods()

    def _cluster(self) -> Cluster:
        with self._lock:
            if self._watched is None:
                self._watched = self._watch()
            return self._watched


def open_pod_launcher(
    settings: KubernetesSettings,
    environ: Mapping[str, str],
    *,
    clock: Clock,
    changed: Callable[[], None],
) -> PodLauncher:
    """Start to watch the taskmasters of a cluster.

    An API server that does not answer is retried in the background.

    Args:
        settings: The section.
        environ: Has the address of the cluster.
        clock: See ``PodLauncher``.
        changed: Likewise.

    Raises:
        ValueError: The address of the cluster is unknown, or the template of
            taskmasters' pods is invalid.
        OSError: The launcher of executors cannot be read.
    """
    try:
        api = open_api(environ, retry_for=_RETRY_FOR)
    except NoClusterError as error:
        raise ValueError(f"scheduler.launcher: kubernetes: {error}") from error
    parts = TaskmasterPodParts(
        settings=settings,
        namespaces=task_namespaces(settings, environ),
        launcher=Path(settings.launcher_file).read_bytes(),
    )
    try:
        parts.template()
    except TemplateError as error:
        raise ValueError(f"kubernetes.templates: {error}") from error
    launcher = PodLauncher(api, parts, clock=clock, changed=changed)
    if not launcher.wait_known(_FIRST_SYNC):
        _logger.warning("the API server does not answer yet")
    return launcher


def open_task_objects(
    settings: KubernetesSettings, environ: Mapping[str, str]
) -> ClusterTaskObjects:
    """Return the objects of tasks; nothing is read before it is asked for.

    Raises:
        ValueError: The address of the cluster is unknown.
    """
    return ClusterTaskObjects(
        api=open_api(environ, retry_for=_RETRY_FOR),
        namespaces=task_namespaces(settings, environ),
        instance=settings.instance,
    )


def open_cluster(
    settings: KubernetesSettings,
    environ: Mapping[str, str],
    *,
    clock: Clock,
    changed: Callable[[], None],
    finds_capacity: bool,
    closing: ExitStack,
) -> OpenCluster:
    """Start to watch the taskmasters of a cluster, and its capacity.

    Args:
        settings: The section.
        environ: Has the address of the cluster.
        clock: See ``PodLauncher``.
        changed: Likewise, and when the capacity changes.
        finds_capacity: Watch the capacity at once; else when somebody asks for it.
        closing: Closes both.

    Raises:
        ValueError, OSError: See ``open_pod_launcher``.
    """
    launcher = open_pod_launcher(settings, environ, clock=clock, changed=changed)
    closing.callback(launcher.close)
    namespaces = task_namespaces(settings, environ)

    def watch() -> ClusterNodes:
        api = open_api(environ, retry_for=_RETRY_FOR)
        nodes = ClusterNodes(api, settings, namespaces, changed=changed)
        closing.callback(nodes.close)
        if not nodes.wait_known(_FIRST_SYNC):
            _logger.warning("nodes are not known yet", extra={"cause": nodes.problem()})
        return nodes

    return OpenCluster(
        launcher=launcher,
        cluster=watch() if finds_capacity else LateCluster(watch),
        namespace_of=lambda task: namespace_of(Attempt(task, 1), namespaces),
        namespaces=tuple(namespaces),
    )
